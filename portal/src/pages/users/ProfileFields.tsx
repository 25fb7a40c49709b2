import { TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import type { User } from '~/api/session'
import { goodEmail } from './password'

/** What is said of a user, as a form. */
export function useProfileForm(user: User) {
  const { t } = useTranslation('users')
  return useForm({
    initialValues: { realname: user.realname, email: user.email, comment: user.comment },
    validateInputOnBlur: true,
    validate: {
      realname: (name) => (name ? null : t('realnameRule')),
      email: (address) => (goodEmail(address) ? null : t('emailRule')),
    },
  })
}

/** … and its fields. */
export function ProfileFields({ form }: { form: ReturnType<typeof useProfileForm> }) {
  const { t } = useTranslation('users')
  return (
    <>
      <TextInput label={t('realname')} autoComplete="name" {...form.getInputProps('realname')} />
      <TextInput label={t('email')} type="email" autoComplete="email" {...form.getInputProps('email')} />
      <TextInput label={t('comment')} maxLength={30} autoComplete="off" {...form.getInputProps('comment')} />
    </>
  )
}
