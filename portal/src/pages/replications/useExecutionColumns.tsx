import { ActionIcon, Progress, Text, Tooltip } from '@mantine/core'
import { IconPlayerStop } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import type { Column } from '~/parts/DataTable'
import { TextLink } from '~/parts/links'
import { duration } from '~/parts/numbers'
import { goesOn, StatusBadge } from '~/parts/StatusBadge'
import { TimeAgo } from '~/parts/TimeAgo'
import { type Execution, replicationKey, stopExecution } from './queries'
import { TriggerName } from './TriggerName'

/** The columns of a list of a rule's executions. */
export function useExecutionColumns(): Column<Execution>[] {
  const { t } = useTranslation('replications')
  const stop = useStop()
  return [
    { name: 'id', title: t('execution'), sort: 'id', cell: (e) => <TextLink to="/replications/$rule/executions/$execution" params={{ rule: String(e.policy_id), execution: String(e.id) }}>{t('number', { id: e.id })}</TextLink> },
    { name: 'status', title: t('status'), sort: 'status', cell: (e) => <div><StatusBadge status={e.status} />{e.status_text && <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>{e.status_text}</Text>}</div> },
    { name: 'trigger', title: t('trigger.label'), sort: 'trigger', cell: (e) => <TriggerName trigger={e.trigger} /> },
    { name: 'tasks', title: t('tasks.title'), cell: (e) => <Tasks execution={e} /> },
    { name: 'started', title: t('started'), sort: 'start_time', cell: (e) => <TimeAgo value={e.start_time} /> },
    { name: 'duration', title: t('duration'), align: 'right', cell: (e) => <Lasted from={e.start_time} to={e.end_time} /> },
    {
      name: 'actions', title: '', width: 52, align: 'right',
      cell: (e) => goesOn([e.status]) && <Tooltip label={t('stop.open')}><ActionIcon size="md" aria-label={t('stop.of', { id: e.id })} onClick={() => stop(e.id)}><IconPlayerStop size={16} /></ActionIcon></Tooltip>,
    },
  ]
}

/** Returns what asks, and then stops an execution. */
export function useStop() {
  const { t } = useTranslation('replications')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (id: number) =>
    confirm({
      title: t('stop.title', { id }), loses: t('stop.loses'), verb: t('stop.open'), done: t('stop.done', { id }),
      action: () => stopExecution(id).then(() => queries.invalidateQueries({ queryKey: replicationKey })),
    })
}

/** How many tasks came to what end. */
function Tasks({ execution: e }: { execution: Execution }) {
  const { t } = useTranslation('replications')
  const said = [t('tasks.done', { done: e.succeed, total: e.total }), e.failed > 0 && t('tasks.failed', { count: e.failed }), e.stopped > 0 && t('tasks.stopped', { count: e.stopped })].filter(Boolean).join(' · ')
  if (e.total === 0) return <Text component="span" inherit c="dimmed">{t('tasks.none')}</Text>
  const share = (n: number) => (n / e.total) * 100
  return (
    <div style={{ minWidth: 120 }}>
      <Text size="sm" className="numbers">{said}</Text>
      <Progress.Root size="xs" mt={3} aria-hidden>
        <Progress.Section value={share(e.succeed)} color="teal" withAria={false} />
        <Progress.Section value={share(e.failed)} color="red" withAria={false} />
        <Progress.Section value={share(e.stopped)} color="orange" withAria={false} />
      </Progress.Root>
    </div>
  )
}

/** How long something took, or takes by now. */
export function Lasted({ from, to }: { from: string | undefined; to: string | undefined }) {
  const { i18n } = useTranslation()
  if (!from) return '–'
  const seconds = ((to ? new Date(to).getTime() : Date.now()) - new Date(from).getTime()) / 1000
  return <span className="numbers">{duration(seconds, i18n.language)}</span>
}
