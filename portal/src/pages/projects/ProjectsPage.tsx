import { ActionIcon, Badge, Button, Menu, SegmentedControl, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconDots, IconLock, IconPlus, IconStack2, IconTrash, IconWorld } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { isAdmin, useMe, useSystemInfo } from '~/api/session'
import { Count } from '~/parts/Bytes'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { deleteProject, isPublic, type Project, projectsKey, projectsList } from './queries'

const CreateProject = lazy(() => import('./CreateProject'))

export default function ProjectsPage() {
  const { t } = useTranslation('projects')
  const list = useList('name')
  const query = useQuery(projectsList(list))
  const columns = useColumns()
  const [creating, dialog] = useDisclosure()
  const user = useMe()
  const onlyAdmins = useSystemInfo().project_creation_restriction === 'adminonly'
  const mayCreate = user !== null && (!onlyAdmins || isAdmin(user))
  const create = mayCreate && <Button leftSection={<IconPlus size={16} />} onClick={dialog.open}>{t('create.open')}</Button>

  return (
    <>
      <PageHeader title={t('title')} description={t('description')} actions={create} />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(p) => p.name}
        toolbar={
          <>
            <SearchField list={list} label={t('search')} />
            <SegmentedControl
              size="sm" aria-label={t('visibility.label')} value={list.filter('public')} onChange={(value) => list.set({ public: value })}
              data={[{ value: '', label: t('visibility.all') }, { value: 'true', label: t('visibility.public') }, { value: 'false', label: t('visibility.private') }]}
            />
          </>
        }
        empty={<EmptyState icon={IconStack2} title={t('empty.title')} action={create}>{t(mayCreate ? 'empty.create' : 'empty.none')}</EmptyState>}
      />
      <Suspense>{creating && <CreateProject onClose={dialog.close} />}</Suspense>
    </>
  )
}

function useColumns(): Column<Project>[] {
  const { t } = useTranslation('projects')
  const columns: Column<Project>[] = [
    { name: 'name', title: t('name'), sort: 'name', cell: (p) => <TextLink fw={560} to="/projects/$project" params={{ project: p.name }}>{p.name}</TextLink> },
    { name: 'visibility', title: t('visibility.label'), cell: (p) => <Visibility project={p} /> },
    { name: 'role', title: t('role.label'), cell: (p) => <RoleName role={p.current_user_role_id} /> },
    { name: 'repositories', title: t('repositories'), sort: 'repo_count', align: 'right', cell: (p) => <Count value={p.repo_count} /> },
    { name: 'created', title: t('created'), sort: 'creation_time', cell: (p) => <TimeAgo value={p.creation_time} /> },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (p) => <Actions project={p} /> },
  ]
  return columns
}

/** Who may read a project. */
export function Visibility({ project }: { project: Project }) {
  const { t } = useTranslation('projects')
  return isPublic(project)
    ? <Badge color="tide" leftSection={<IconWorld size={13} />}>{t('visibility.public')}</Badge>
    : <Badge color="gray" leftSection={<IconLock size={13} />}>{t('visibility.private')}</Badge>
}

const roles = { 1: 'admin', 4: 'maintainer', 2: 'developer', 3: 'guest', 5: 'limitedGuest' } as const

/** What somebody is in a project, by the API's number. */
function RoleName({ role }: { role: number }) {
  const { t } = useTranslation('projects')
  const name = roles[role as keyof typeof roles]
  return name ? t(`role.${name}`) : <Text component="span" c="dimmed" inherit>–</Text>
}

function Actions({ project }: { project: Project }) {
  const { t } = useTranslation('projects')
  const user = useMe()
  const remove = useDeleteProject()
  const may = isAdmin(user) || project.current_user_role_id === 1
  if (!may) return null
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { name: project.name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => remove(project)}>{t('delete.open')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** Returns what asks, and then deletes a project. */
export function useDeleteProject() {
  const { t } = useTranslation('projects')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (project: Project) =>
    confirm({
      title: t('delete.title', { name: project.name }),
      loses: t('delete.loses'),
      type: project.name,
      verb: t('delete.verb'),
      action: async () => {
        await deleteProject(project.name)
        await queries.invalidateQueries({ queryKey: projectsKey })
      },
      done: t('delete.done', { name: project.name }),
    })
}
