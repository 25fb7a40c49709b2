import { ActionIcon, Menu } from '@mantine/core'
import { IconDots, IconKey, IconPencil, IconShieldCheck, IconShieldOff, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type User, useMe, useSystemInfo } from '~/api/session'
import { useConfirm } from '~/parts/Confirm'
import { deleteUser, setAdmin, usersKey } from './queries'
import type { Doing } from './UsersPage'

const first = 1 // the id of the user who was there from the beginning, and stays

interface Props {
  user: User
  onDo: (doing: Doing) => void
}

/** What can be done to a user. */
export function UserActions({ user, onDo }: Props) {
  const { t } = useTranslation('users')
  const self = useMe()?.user_id === user.user_id
  // Passwords of the directory's users are the directory's.
  const ownPasswords = useSystemInfo().auth_mode === 'db_auth' || user.user_id === first
  const confirm = useConfirm()
  const queries = useQueryClient()
  const forget = () => queries.invalidateQueries({ queryKey: usersKey })
  const name = user.username

  const appoint = () =>
    confirm({
      title: t('appoint.title', { name }), loses: t('appoint.means'), verb: t('appoint.verb'), done: t('appoint.done', { name }),
      action: () => setAdmin(user, true).then(forget),
    })
  const dismiss = () =>
    confirm({
      title: t('dismiss.title', { name }), loses: t('dismiss.loses'), verb: t('dismiss.verb'), done: t('dismiss.done', { name }),
      action: () => setAdmin(user, false).then(forget),
    })
  const remove = () =>
    confirm({
      title: t('delete.title', { name }), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done', { name }),
      action: () => deleteUser(user).then(forget),
    })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => onDo({ edit: user })}>{t('edit.open')}</Menu.Item>
        {ownPasswords && !self && <Menu.Item leftSection={<IconKey size={16} />} onClick={() => onDo({ password: user })}>{t('password.open')}</Menu.Item>}
        {!self && user.user_id !== first && (
          <>
            {user.sysadmin_flag
              ? <Menu.Item leftSection={<IconShieldOff size={16} />} onClick={dismiss}>{t('dismiss.open')}</Menu.Item>
              : <Menu.Item leftSection={<IconShieldCheck size={16} />} onClick={appoint}>{t('appoint.open')}</Menu.Item>}
            <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}
