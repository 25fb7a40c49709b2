import { Alert, Button, Group, Stack } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { me, type User } from '~/api/session'
import { ProfileFields, useProfileForm } from '~/pages/users/ProfileFields'
import { updateUser } from '~/pages/users/queries'
import { tellDone, words } from '~/parts/tell'

/** What one says of oneself. */
export function EditProfile({ user }: { user: User }) {
  const { t } = useTranslation('profile')
  const queries = useQueryClient()
  const form = useProfileForm(user)
  const save = useMutation({
    mutationFn: async () => {
      await updateUser(user, form.values)
      await queries.invalidateQueries({ queryKey: me.queryKey })
    },
    onSuccess: () => {
      form.resetDirty()
      tellDone(t('saved'))
    },
  })
  return (
    <form noValidate onSubmit={form.onSubmit(() => save.mutate())}>
      <Stack gap="md">
        <ProfileFields form={form} />
        {save.isError && <Alert role="alert" color="red">{words(save.error)}</Alert>}
        <Group justify="flex-end"><Button type="submit" loading={save.isPending} disabled={!form.isDirty() || !form.isValid()}>{t('save')}</Button></Group>
      </Stack>
    </form>
  )
}
