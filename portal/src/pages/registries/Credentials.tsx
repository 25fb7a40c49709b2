import { PasswordInput, Textarea, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import type { Fields } from './fields'
import type { Provider, Registry } from './queries'

interface Props {
  form: UseFormReturnType<Fields>
  provider: Provider | undefined
  kept: Registry | undefined // as it was before
}

/** As whom a registry is spoken to. */
export function Credentials({ form, provider, kept }: Props) {
  const { t } = useTranslation('registries')
  const { credential_pattern: as } = provider ?? {}
  const hasSecret = kept?.credential?.access_secret !== undefined
  const moved = hasSecret && form.values.url.trim() !== kept?.url
  const secret = {
    label: t('form.secret'),
    description: moved ? t('form.secretMoved') : hasSecret ? t('form.secretKept') : undefined,
    placeholder: hasSecret && !moved ? '•••••' : undefined,
    autoComplete: 'new-password',
    ...form.getInputProps('secret'),
  }
  return (
    <>
      <TextInput label={t('form.key')} description={t('form.keyHint')} readOnly={as?.access_key_type === 'AccessKeyTypeFix'} autoComplete="off" spellCheck={false} {...form.getInputProps('key')} />
      {as?.access_secret_type === 'AccessSecretTypeFile'
        ? <Textarea rows={4} spellCheck={false} {...secret} label={t('form.secretFile')} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }} />
        : <PasswordInput visibilityToggleButtonProps={{ 'aria-label': t('form.show') }} {...secret} />}
    </>
  )
}
