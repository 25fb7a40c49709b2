import { Badge, Button, SegmentedControl, Text } from '@mantine/core'
import { IconPlus, IconUsers } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type User, useMe, useSystemInfo } from '~/api/session'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { PageHeader } from '~/parts/PageHeader'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { deleteUser, usersKey, usersList } from './queries'
import { UserActions } from './UserActions'

const CreateUser = lazy(() => import('./CreateUser'))
const ImportUsers = lazy(() => import('./ImportUsers'))
const EditUser = lazy(() => import('./EditUser'))
const ResetPassword = lazy(() => import('./ResetPassword'))

/** What is being done in a dialog. */
export type Doing = 'create' | { edit: User } | { password: User }

export default function UsersPage() {
  const { t } = useTranslation('users')
  const list = useList('username')
  const query = useQuery(usersList(list))
  const directory = useSystemInfo().auth_mode === 'ldap_auth'
  const [doing, setDoing] = useState<Doing>()
  const [chosen, setChosen] = useState(new Set<string>())
  const columns = useColumns(setDoing)
  const removal = useRemoval(query.data?.items ?? [], chosen, () => setChosen(new Set()))
  const close = () => setDoing(undefined)
  const create = <Button leftSection={<IconPlus size={16} />} onClick={() => setDoing('create')}>{t(directory ? 'import.open' : 'create.open')}</Button>
  return (
    <>
      <PageHeader title={t('title')} description={t('pageDescription')} actions={create} />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(u) => u.username}
        selection={{ keys: chosen, set: setChosen, actions: removal }}
        toolbar={
          <>
            <SearchField list={list} label={t('search')} />
            <SegmentedControl size="sm" aria-label={t('filter.label')} value={list.filter('admins')} onChange={(admins) => list.set({ admins })}
              data={[{ value: '', label: t('filter.all') }, { value: 'true', label: t('filter.admins') }]} />
          </>
        }
        empty={<EmptyState icon={IconUsers} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>
        {doing === 'create' && (directory ? <ImportUsers onClose={close} /> : <CreateUser onClose={close} />)}
        {typeof doing === 'object' && ('edit' in doing ? <EditUser user={doing.edit} onClose={close} /> : <ResetPassword user={doing.password} onClose={close} />)}
      </Suspense>
    </>
  )
}

function useColumns(onDo: (doing: Doing) => void): Column<User>[] {
  const { t } = useTranslation('users')
  return [
    { name: 'name', title: t('name'), sort: 'username', cell: (u) => <Name user={u} /> },
    { name: 'realname', title: t('realname'), sort: 'realname', cell: (u) => u.realname },
    { name: 'email', title: t('email'), sort: 'email', cell: (u) => <span style={{ overflowWrap: 'anywhere' }}>{u.email}</span> },
    { name: 'role', title: t('role.label'), cell: (u) => <Role user={u} /> },
    { name: 'created', title: t('created'), sort: 'creation_time', cell: (u) => <TimeAgo value={u.creation_time} /> },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (u) => <UserActions user={u} onDo={onDo} /> },
  ]
}

function Name({ user }: { user: User }) {
  const { t } = useTranslation('users')
  const you = useMe()?.user_id === user.user_id
  return (
    <div>
      <Text component="span" inherit fw={560} style={{ overflowWrap: 'anywhere' }}>{user.username}</Text>
      {you && <Text component="span" size="sm" c="dimmed"> {t('you')}</Text>}
      {user.comment && <Text size="sm" c="dimmed">{user.comment}</Text>}
    </div>
  )
}

function Role({ user }: { user: User }) {
  const { t } = useTranslation('users')
  if (user.sysadmin_flag) return <Badge color="tide">{t('role.admin')}</Badge>
  if (user.admin_role_in_auth) return <Badge color="tide" title={t('role.byGroup')}>{t('role.admin')}</Badge>
  return <Text component="span" inherit c="dimmed">{t('role.user')}</Text>
}

/** A button that deletes those who are chosen, one after the other. */
function useRemoval(users: User[], chosen: Set<string>, onDone: () => void) {
  const { t } = useTranslation('users')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const gone = users.filter((u) => chosen.has(u.username))
  const ask = () =>
    confirm({
      title: t('delete.titleMany', { count: gone.length }),
      loses: t('delete.loses'),
      names: gone.map((u) => u.username),
      verb: t('delete.verb'),
      action: {
        items: gone.map((user) => ({ name: user.username, act: () => deleteUser(user) })),
        done: t('delete.doneMany', { count: gone.length }),
        after: () => {
          onDone()
          return queries.invalidateQueries({ queryKey: usersKey })
        },
      },
    })
  return <Button size="compact-sm" variant="default" onClick={ask}>{t('delete.open')}</Button>
}
