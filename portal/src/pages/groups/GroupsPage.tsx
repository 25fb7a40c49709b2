import { ActionIcon, Button, Menu, Text } from '@mantine/core'
import { IconDots, IconPencil, IconPlus, IconTrash, IconUsersGroup } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { PageHeader } from '~/parts/PageHeader'
import { SearchField } from '~/parts/SearchField'
import { useList } from '~/parts/useList'
import { deleteGroup, groupsKey, groupsList, kinds, type UserGroup } from './queries'

const CreateGroup = lazy(() => import('./CreateGroup'))
const ImportGroup = lazy(() => import('./ImportGroup'))
const RenameGroup = lazy(() => import('./RenameGroup'))

export default function GroupsPage() {
  const { t } = useTranslation('groups')
  const list = useList()
  const query = useQuery(groupsList(list))
  const directory = useSystemInfo().auth_mode === 'ldap_auth'
  const [doing, setDoing] = useState<UserGroup | 'new'>()
  const columns: Column<UserGroup>[] = [
    { name: 'name', title: t('name'), cell: (g) => <Text component="span" inherit fw={560} style={{ overflowWrap: 'anywhere' }}>{g.group_name}</Text> },
    { name: 'kind', title: t('kind.label'), cell: (g) => <Kind group={g} /> },
    { name: 'dn', title: t('dn'), cell: (g) => (g.ldap_group_dn ? <span className="mono" style={{ overflowWrap: 'anywhere' }}>{g.ldap_group_dn}</span> : '–') },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (g) => <Actions group={g} onRename={() => setDoing(g)} /> },
  ]
  const create = <Button leftSection={<IconPlus size={16} />} onClick={() => setDoing('new')}>{t(directory ? 'import.open' : 'create.open')}</Button>
  const close = () => setDoing(undefined)
  return (
    <>
      <PageHeader title={t('title')} description={t('pageDescription')} actions={create} />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(g) => g.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        empty={<EmptyState icon={IconUsersGroup} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>
        {doing === 'new' && (directory ? <ImportGroup onClose={close} /> : <CreateGroup onClose={close} />)}
        {typeof doing === 'object' && <RenameGroup group={doing} onClose={close} />}
      </Suspense>
    </>
  )
}

function Kind({ group }: { group: UserGroup }) {
  const { t } = useTranslation('groups')
  const kind = kinds[group.group_type as keyof typeof kinds]
  return kind ? t(`kind.${kind}`) : String(group.group_type)
}

function Actions({ group, onRename }: { group: UserGroup; onRename: () => void }) {
  const { t } = useTranslation('groups')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const name = group.group_name
  const remove = () =>
    confirm({
      title: t('delete.title', { name }), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done', { name }),
      action: async () => {
        await deleteGroup(group)
        await queries.invalidateQueries({ queryKey: groupsKey })
      },
    })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={onRename}>{t('rename.open')}</Menu.Item>
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
