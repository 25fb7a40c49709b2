import { Alert, Button, Group, PasswordInput, Stack, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { atDoor } from '~/api/client'
import type { User } from '~/api/session'
import { agreed, NewPassword } from '~/pages/users/NewPassword'
import { setPassword } from '~/pages/users/queries'
import { tellDone, words } from '~/parts/tell'

const empty = { old: '', password: '', again: '' }

/** Changes one's own password. */
export function ChangePassword({ user }: { user: User }) {
  const { t } = useTranslation('profile')
  const { t: tu } = useTranslation('users')
  const [typed, setTyped] = useState(empty)
  const change = useMutation({
    mutationFn: async () => {
      await setPassword(user, typed.password, typed.old)
      // The server has ended all sessions, this one too.
      await atDoor('/c/login', { principal: user.username, password: typed.password })
    },
    onSuccess: () => {
      setTyped(empty)
      tellDone(t('password.done'))
    },
  })
  return (
    <form
      noValidate
      onSubmit={(e) => {
        e.preventDefault()
        change.mutate()
      }}
    >
      <Stack gap="md">
        <input type="hidden" name="username" autoComplete="username" value={user.username} readOnly />
        <PasswordInput
          label={t('password.old')} autoComplete="current-password" visibilityToggleButtonProps={{ 'aria-label': tu('password.show', { what: t('password.old') }) }}
          value={typed.old} onChange={(e) => setTyped({ ...typed, old: e.currentTarget.value })}
        />
        <NewPassword value={typed.password} onChange={(password) => setTyped((now) => ({ ...now, password }))} again={typed.again} onAgain={(again) => setTyped((now) => ({ ...now, again }))} />
        {change.isError && <Alert role="alert" color="red">{words(change.error)}</Alert>}
        <Text size="sm" c="dimmed">{t('password.means')}</Text>
        <Group justify="flex-end"><Button type="submit" loading={change.isPending} disabled={!typed.old || !agreed(typed.password, typed.again)}>{t('password.verb')}</Button></Group>
      </Stack>
    </form>
  )
}
