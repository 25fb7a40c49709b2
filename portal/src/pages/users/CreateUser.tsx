import { TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { agreed, NewPassword } from './NewPassword'
import { goodEmail, goodUserName } from './password'
import { createUser, usersKey } from './queries'

/** The dialog for a new account: somebody else's, or with onCreated the caller's own. */
export default function CreateUser({ onClose, onCreated }: { onClose: () => void; onCreated?: (name: string, password: string) => Promise<unknown> }) {
  const { t } = useTranslation('users')
  const queries = useQueryClient()
  const form = useForm({
    initialValues: { username: '', email: '', realname: '', comment: '', password: '', again: '' },
    validateInputOnBlur: true,
    validate: {
      username: (name) => (goodUserName(name) ? null : t('nameRule')),
      email: (address) => (goodEmail(address) ? null : t('emailRule')),
      realname: (name) => (name ? null : t('realnameRule')),
      again: (again, { password }) => (agreed(password, again) ? null : t('password.differs')),
    },
  })
  const create = async () => {
    const { again: _, ...body } = form.values
    await createUser(body)
    if (onCreated) return onCreated(body.username, body.password)
    await queries.invalidateQueries({ queryKey: usersKey })
    tellDone(t('create.done', { name: body.username }))
  }
  return (
    <FormModal title={t(onCreated ? 'create.own' : 'create.open')} onClose={onClose} verb={t('create.verb')} disabled={!form.isValid()} onSubmit={create}>
      <TextInput data-autofocus label={t('name')} description={t('nameHint')} autoComplete="off" spellCheck={false} {...form.getInputProps('username')} />
      <TextInput label={t('email')} type="email" autoComplete="off" {...form.getInputProps('email')} />
      <TextInput label={t('realname')} autoComplete="off" {...form.getInputProps('realname')} />
      <TextInput label={t('comment')} maxLength={30} autoComplete="off" {...form.getInputProps('comment')} />
      <NewPassword value={form.values.password} onChange={(v) => form.setFieldValue('password', v)} again={form.values.again} onAgain={(v) => form.setFieldValue('again', v)} />
    </FormModal>
  )
}
