import { ActionIcon, Button, Tooltip } from '@mantine/core'
import { IconPackage, IconTrash } from '@tabler/icons-react'
import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRights } from '~/api/session'
import { projectRoute } from '~/pages/project/route'
import { projectNamed } from '~/pages/projects/queries'
import { Count } from '~/parts/Bytes'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { withoutProject } from '~/parts/names'
import { PushCommands } from '~/parts/PushCommands'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { type Repository, repositoriesList } from './queries'
import { useDeleteRepositories } from './useDeleteRepositories'

export default function RepositoriesTab() {
  const { t } = useTranslation('repositories')
  const { project: name } = projectRoute.useParams()
  const { data: project } = useSuspenseQuery(projectNamed(name))
  const may = useRights(project.project_id)
  const list = useList('-update_time')
  const query = useQuery(repositoriesList(name, list))
  const remove = useDeleteRepositories(name)
  const [chosen, setChosen] = useState(new Set<string>())
  const selected = (query.data?.items ?? []).filter((r) => chosen.has(r.name))
  const columns: Column<Repository>[] = [
    {
      name: 'name', title: t('name'), sort: 'name',
      cell: (r) => <TextLink fw={560} to="/projects/$project/repositories/$repository" params={{ project: name, repository: withoutProject(r.name) }}>{withoutProject(r.name)}</TextLink>,
    },
    { name: 'artifacts', title: t('artifacts'), sort: 'artifact_count', align: 'right', cell: (r) => <Count value={r.artifact_count} /> },
    { name: 'pulls', title: t('pulls'), sort: 'pull_count', align: 'right', cell: (r) => <Count value={r.pull_count} /> },
    { name: 'updated', title: t('updated'), sort: 'update_time', cell: (r) => <TimeAgo value={r.update_time} /> },
  ]
  if (may('repository', 'delete')) {
    columns.push({
      name: 'actions', title: '', width: 52, align: 'right',
      cell: (r) => (
        <Tooltip label={t('delete.open')}>
          <ActionIcon size="md" aria-label={t('delete.of', { name: r.name })} onClick={() => remove([r])}><IconTrash size={16} /></ActionIcon>
        </Tooltip>
      ),
    })
  }
  return (
    <DataTable
      label={t('title')}
      columns={columns}
      query={query}
      list={list}
      rowKey={(r) => r.name}
      selection={may('repository', 'delete') ? { keys: chosen, set: setChosen, actions: <Button size="compact-xs" variant="default" c="red" leftSection={<IconTrash size={13} />} onClick={() => remove(selected, () => setChosen(new Set()))}>{t('deleteSelected')}</Button> } : undefined}
      toolbar={<SearchField list={list} label={t('search')} />}
      empty={
        <EmptyState icon={IconPackage} title={t('empty.title')}>
          {may('repository', 'push') ? <>{t('empty.push')}<div style={{ marginTop: 18 }}><PushCommands project={name} /></div></> : t('empty.none')}
        </EmptyState>
      }
    />
  )
}
