import { PasswordInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { goodPassword } from './password'

interface Props {
  value: string
  onChange: (value: string) => void
  again: string
  onAgain: (value: string) => void
}

/** A new password, twice. */
export function NewPassword({ value, onChange, again, onAgain }: Props) {
  const { t } = useTranslation('users')
  const shows = (what: string) => ({ 'aria-label': t('password.show', { what }) })
  return (
    <>
      <PasswordInput
        label={t('password.new')} description={t('password.rule')} autoComplete="new-password" error={value !== '' && !goodPassword(value) ? t('password.weak') : undefined}
        visibilityToggleButtonProps={shows(t('password.new'))} value={value} onChange={(e) => onChange(e.currentTarget.value)}
      />
      <PasswordInput
        label={t('password.again')} autoComplete="new-password" error={again !== '' && again !== value ? t('password.differs') : undefined}
        visibilityToggleButtonProps={shows(t('password.again'))} value={again} onChange={(e) => onAgain(e.currentTarget.value)}
      />
    </>
  )
}

/** Whether a new password, typed twice, can be sent. */
export const agreed = (value: string, again: string) => goodPassword(value) && value === again
