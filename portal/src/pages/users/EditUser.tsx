import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { me, type User } from '~/api/session'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { ProfileFields, useProfileForm } from './ProfileFields'
import { updateUser, usersKey } from './queries'

/** The dialog that changes what is said of a user. */
export default function EditUser({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation('users')
  const queries = useQueryClient()
  const form = useProfileForm(user)
  const save = async () => {
    await updateUser(user, form.values)
    await Promise.all([usersKey, me.queryKey].map((queryKey) => queries.invalidateQueries({ queryKey })))
    tellDone(t('edit.done', { name: user.username }))
  }
  return (
    <FormModal title={t('edit.title', { name: user.username })} onClose={onClose} verb={t('edit.verb')} disabled={!form.isValid()} onSubmit={save}>
      <ProfileFields form={form} />
    </FormModal>
  )
}
