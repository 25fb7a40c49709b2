import { Button, Group, Text, Title } from '@mantine/core'
import { IconArrowLeft, IconPackage } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { PolicyNav } from '~/pages/policy/PolicyNav'
import { useProject } from '~/pages/project/useProject'
import { Count } from '~/parts/Bytes'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { withoutProject } from '~/parts/names'
import { goesOn, StatusBadge } from '~/parts/StatusBadge'
import { useList } from '~/parts/useList'
import { type Task, taskLog, tasksList } from './queries'
import { retentionRunRoute } from './route'

const LogDialog = lazy(() => import('~/parts/LogDialog'))

/** What became of each repository in one run of the policy. */
export default function RunPage() {
  const { t } = useTranslation('retention')
  const { name, project } = useProject()
  const run = Number(retentionRunRoute.useParams().run)
  const id = Number(project.metadata?.retention_id)
  const list = useList()
  const query = useQuery(tasksList(id, run, list))
  const [shown, setShown] = useState<Task>()
  const columns: Column<Task>[] = [
    { name: 'repository', title: t('task.repository'), cell: (task) => <TextLink fw={560} to="/projects/$project/repositories/$repository" params={{ project: name, repository: withoutProject(task.repository) }}>{withoutProject(task.repository)}</TextLink> },
    { name: 'status', title: t('run.status'), cell: (task) => <StatusBadge status={task.status} /> },
    { name: 'retained', title: t('task.retained'), align: 'right', cell: (task) => <Count value={task.retained} /> },
    { name: 'gone', title: t('task.gone'), align: 'right', cell: (task) => <Text component="span" inherit c={task.total > task.retained ? 'var(--mantine-color-error)' : 'dimmed'}><Count value={task.total - task.retained} /></Text> },
    { name: 'log', title: '', width: 80, align: 'right', cell: (task) => <Button size="compact-sm" variant="default" aria-label={t('task.logOf', { name: withoutProject(task.repository) })} onClick={() => setShown(task)}>{t('task.log')}</Button> },
  ]
  return (
    <>
      <PolicyNav shown="retention" />
      <Group gap="sm" mb="sm">
        <TextLink size="sm" to="/projects/$project/policy" params={{ project: name }}><IconArrowLeft size={14} style={{ verticalAlign: -2 }} aria-hidden /> {t('run.list')}</TextLink>
        <Title order={2}>{t('run.name', { id: run })}</Title>
      </Group>
      <DataTable label={t('run.name', { id: run })} columns={columns} query={query} list={list} rowKey={(task) => task.id} empty={<EmptyState icon={IconPackage} title={t('task.none')}>{t('task.noneHint')}</EmptyState>} />
      <Suspense>
        {shown && (
          <LogDialog label={t('task.logOf', { name: withoutProject(shown.repository) })} name={['retention', shown.id]} running={goesOn([shown.status])} file={`retention-${run}-${shown.id}.log`} onClose={() => setShown(undefined)}
            read={(headers) => taskLog(id, run, shown.id, headers)} />
        )}
      </Suspense>
    </>
  )
}
