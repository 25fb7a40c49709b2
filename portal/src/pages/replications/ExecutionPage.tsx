import { Button, NativeSelect, Stack, Text } from '@mantine/core'
import { IconFileText, IconListDetails } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { TextLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { goesOn, StatusBadge } from '~/parts/StatusBadge'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { WorkProgress } from '~/parts/WorkProgress'
import { executionById, ruleById, type Execution, type Task, taskLog, tasksList } from './queries'
import { executionRoute } from './route'
import { TriggerName } from './TriggerName'
import { Lasted, useStop } from './useExecutionColumns'

const LogDialog = lazy(() => import('~/parts/LogDialog'))
const statuses = ['Pending', 'InProgress', 'Succeed', 'Failed', 'Stopped'] as const

export default function ExecutionPage() {
  const { t } = useTranslation('replications')
  const params = executionRoute.useParams()
  const [ruleId, id] = [Number(params.rule), Number(params.execution)]
  const rule = useQuery(ruleById(ruleId))
  const execution = useQuery(executionById(id))
  const list = useList('id')
  const running = execution.data !== undefined && goesOn([execution.data.status])
  const tasks = useQuery(tasksList(id, list, running))
  const [read, setRead] = useState<Task>()
  const columns = useColumns(setRead)
  if (execution.isError) return <ErrorState error={execution.error} onRetry={() => void execution.refetch()} />
  if (!execution.data) return <PageSkeleton />
  const above = [
    <TextLink key="rules" to="/replications">{t('title')}</TextLink>,
    <TextLink key="rule" to="/replications/$rule" params={{ rule: params.rule }}>{rule.data?.name ?? params.rule}</TextLink>,
  ]
  return (
    <>
      <PageHeader title={t('executionOf', { id })} mark={<StatusBadge status={execution.data.status} />} above={above} />
      <Stack gap="md">
        <Panel><About execution={execution.data} running={running} /></Panel>
        <DataTable
          label={t('tasks.title')}
          columns={columns}
          query={tasks}
          list={list}
          rowKey={(task) => task.id}
          toolbar={
            <NativeSelect size="sm" aria-label={t('status')} value={list.filter('status')} onChange={(e) => list.set({ status: e.currentTarget.value })}
              data={[{ value: '', label: t('anyStatus') }, ...statuses.map((value) => ({ value, label: t(`statuses.${value}`) }))]} />
          }
          empty={<EmptyState icon={IconListDetails} title={t('tasks.empty')}>{t(running ? 'tasks.soon' : 'tasks.nothing')}</EmptyState>}
        />
      </Stack>
      <Suspense>
        {read && (
          <LogDialog label={t('log.of', { id: read.id })} name={['replication', read.id]} running={goesOn([tasks.data?.items.find((task) => task.id === read.id)?.status ?? read.status])}
            read={(headers) => taskLog(read, headers)} file={`replication-${read.execution_id}-${read.id}.log`} onClose={() => setRead(undefined)} />
        )}
      </Suspense>
    </>
  )
}

function About({ execution: e, running }: { execution: Execution; running: boolean }) {
  const { t } = useTranslation('replications')
  const stop = useStop()
  const over = e.succeed + e.failed + e.stopped
  return (
    <Stack gap="md">
      {running && <WorkProgress label={e.total > 0 ? t('tasks.done', { done: over, total: e.total }) : t('tasks.soon')} percent={e.total > 0 ? (over / e.total) * 100 : undefined} onStop={() => stop(e.id)} />}
      <Facts
        facts={[
          [t('trigger.label'), <TriggerName key="trigger" trigger={e.trigger} />],
          [t('started'), <TimeAgo key="started" value={e.start_time} />],
          [t('duration'), <Lasted key="lasted" from={e.start_time} to={e.end_time} />],
          [t('statuses.Succeed'), String(e.succeed)],
          [t('statuses.Failed'), e.failed > 0 && String(e.failed)],
          [t('statuses.Stopped'), e.stopped > 0 && String(e.stopped)],
          [t('message'), e.status_text],
        ]}
      />
    </Stack>
  )
}

function useColumns(onRead: (task: Task) => void): Column<Task>[] {
  const { t } = useTranslation('replications')
  const name = (resource: string) => <span style={{ overflowWrap: 'anywhere' }}>{resource || '–'}</span>
  return [
    { name: 'source', title: t('tasks.source'), cell: (task) => name(task.src_resource) },
    { name: 'destination', title: t('tasks.destination'), cell: (task) => name(task.dst_resource) },
    { name: 'operation', title: t('tasks.operation'), cell: (task) => <Operation task={task} /> },
    { name: 'status', title: t('status'), sort: 'status', cell: (task) => <StatusBadge status={task.status} /> },
    { name: 'started', title: t('started'), sort: 'start_time', cell: (task) => <TimeAgo value={task.start_time} /> },
    { name: 'duration', title: t('duration'), align: 'right', cell: (task) => <Lasted from={task.start_time} to={task.end_time} /> },
    {
      name: 'actions', title: '', width: 90, align: 'right',
      cell: (task) => <Button size="compact-sm" variant="default" leftSection={<IconFileText size={14} />} aria-label={t('log.of', { id: task.id })} onClick={() => onRead(task)}>{t('log.open')}</Button>,
    },
  ]
}

function Operation({ task }: { task: Task }) {
  const { t } = useTranslation('replications')
  const what = task.resource_type === 'image' || task.resource_type === 'artifact' ? t(`form.${task.resource_type}`) : task.resource_type
  return <div>{t(task.operation === 'deletion' ? 'tasks.deletion' : 'tasks.copy')}{what && <Text size="sm" c="dimmed">{what}</Text>}</div>
}
