import { NativeSelect } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Registry } from '~/pages/registries/queries'
import type { RuleFormState } from './RuleForm'

/** Chooses the registry at the other end. */
export function RegistryChoice({ form, registries }: { form: RuleFormState; registries: Registry[] }) {
  const { t } = useTranslation('replications')
  const say = (r: Registry) => (r.status === 'healthy' ? `${r.name} (${r.url})` : t('form.unhealthy', { name: r.name }))
  return <NativeSelect label={t('form.registry')} data={[{ value: '', label: t('form.choose') }, ...registries.map((r) => ({ value: String(r.id), label: say(r) }))]} {...form.getInputProps('registry')} />
}
