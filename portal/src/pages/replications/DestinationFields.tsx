import { Checkbox, NativeSelect, NumberInput, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type Registry, registryInfo } from '~/pages/registries/queries'
import { local, renamed } from './fields'
import { RegistryChoice } from './RegistryChoice'
import type { RuleFormState } from './RuleForm'

const flattenings = [-1, 0, 1, 2, 3]
const sample = 'a/b/c/image'

/** To where a rule copies, what it is called there, and how. */
export function DestinationFields({ form, registries }: { form: RuleFormState; registries: Registry[] }) {
  const { t } = useTranslation('replications')
  const { pull, registry, namespace, replace } = form.values
  const info = useQuery({ ...registryInfo(pull ? local : Number(registry)), enabled: pull || registry !== '' })
  const chunks = info.data?.supported_copy_by_chunk || form.values.chunked
  const choices = flattenings.includes(replace) ? flattenings : [...flattenings, replace]
  return (
    <Stack gap="md">
      {pull ? <Text size="sm" c="dimmed">{t('form.toHere')}</Text> : <RegistryChoice form={form} registries={registries} />}
      <TextInput label={t('form.namespace')} description={t('form.namespaceHint')} autoComplete="off" spellCheck={false} {...form.getInputProps('namespace')} />
      {namespace.trim() && (
        <NativeSelect
          label={t('form.replace')} value={replace} onChange={(e) => form.setFieldValue('replace', Number(e.currentTarget.value))}
          data={choices.map((n) => ({ value: String(n), label: `${n < 0 ? t('form.replaceAll') : t('form.replaceParts', { count: n })}: ${t('form.becomes', { from: sample, to: renamed(sample, namespace.trim(), n) ?? '–' })}` }))}
        />
      )}
      <Checkbox label={t('form.override')} description={t('form.overrideHint')} {...form.getInputProps('override', { type: 'checkbox' })} />
      {chunks && <Checkbox label={t('form.chunked')} description={t('form.chunkedHint')} {...form.getInputProps('chunked', { type: 'checkbox' })} />}
      <NumberInput label={t('form.speed')} description={t('form.speedHint')} w={240} min={0} max={2147483647} allowDecimal={false} suffix=" KB/s" {...form.getInputProps('speed')} />
    </Stack>
  )
}
