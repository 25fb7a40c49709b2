import { Text } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { User } from '~/api/session'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { agreed, NewPassword } from './NewPassword'
import { setPassword } from './queries'

/** The dialog in which an administrator sets somebody's password. */
export default function ResetPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation('users')
  const [password, change] = useState('')
  const [again, repeat] = useState('')
  const save = async () => {
    await setPassword(user, password)
    tellDone(t('password.done', { name: user.username }))
  }
  return (
    <FormModal title={t('password.title', { name: user.username })} onClose={onClose} verb={t('password.verb')} disabled={!agreed(password, again)} onSubmit={save}>
      <Text size="sm" c="dimmed">{t('password.means')}</Text>
      <NewPassword value={password} onChange={change} again={again} onAgain={repeat} />
    </FormModal>
  )
}
