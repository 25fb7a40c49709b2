import { ActionIcon, Badge, Button, Group, Tooltip } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus, IconTrash, IconUser, IconUsers, IconUsersGroup } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { useMe } from '~/api/session'
import { useProject } from '~/pages/project/useProject'
import { projectsKey } from '~/pages/projects/queries'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { SearchField } from '~/parts/SearchField'
import { useList } from '~/parts/useList'
import { type Member, membersKey, membersList, removeMember } from './queries'
import { RoleMenu, RoleName } from './RoleMenu'

const AddMember = lazy(() => import('./AddMember'))

export default function MembersTab() {
  const { t } = useTranslation('members')
  const { name, may } = useProject()
  const list = useList()
  const query = useQuery(membersList(name, list))
  const [adding, dialog] = useDisclosure()
  const remove = useRemove(name)
  const me = useMe()

  const columns: Column<Member>[] = [
    {
      name: 'name', title: t('name'),
      cell: (m) => (
        <Group gap={8} wrap="nowrap">
          {m.entity_type === 'g' ? <IconUsersGroup size={17} aria-hidden /> : <IconUser size={17} aria-hidden />}
          <span style={{ fontWeight: 560, overflowWrap: 'anywhere' }}>{m.entity_name}</span>
          {isMe(m, me?.user_id) && <Badge color="gray">{t('you')}</Badge>}
        </Group>
      ),
    },
    { name: 'kind', title: t('kind.label'), cell: (m) => t(m.entity_type === 'g' ? 'kind.group' : 'kind.user') },
    { name: 'role', title: t('role.label'), cell: (m) => (may('member', 'update') ? <RoleMenu project={name} member={m} mine={isMe(m, me?.user_id)} /> : <RoleName id={m.role_id} />) },
  ]
  if (may('member', 'delete')) {
    columns.push({
      name: 'actions', title: '', width: 52, align: 'right',
      cell: (m) => (
        <Tooltip label={t('remove.open')}>
          <ActionIcon size="md" aria-label={t('remove.of', { name: m.entity_name })} onClick={() => remove(m)}><IconTrash size={16} /></ActionIcon>
        </Tooltip>
      ),
    })
  }
  const add = may('member', 'create') && <Button leftSection={<IconPlus size={16} />} onClick={dialog.open}>{t('add.open')}</Button>
  return (
    <>
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(m) => m.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        actions={add}
        empty={<EmptyState icon={IconUsers} title={t('empty.title')} action={add}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>{adding && <AddMember project={name} onClose={dialog.close} />}</Suspense>
    </>
  )
}

const isMe = (member: Member, id: number | undefined) => member.entity_type === 'u' && member.entity_id === id

function useRemove(project: string) {
  const { t } = useTranslation('members')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (member: Member) =>
    confirm({
      title: t('remove.title', { name: member.entity_name }),
      loses: t(member.entity_type === 'g' ? 'remove.losesGroup' : 'remove.loses', { project }),
      verb: t('remove.verb'),
      action: async () => {
        await removeMember(project, member.id)
        await Promise.all([membersKey, projectsKey, ['rights']].map((queryKey) => queries.invalidateQueries({ queryKey })))
      },
      done: t('remove.done', { name: member.entity_name }),
    })
}
