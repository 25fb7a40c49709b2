import { Badge, Button, Group, Text } from '@mantine/core'
import { IconPlayerPause, IconPlayerPlay, IconPlayerStop, IconStack } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Count } from '~/parts/Bytes'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { duration } from '~/parts/numbers'
import { actOn, type Queue, queues } from './queries'
import { useAct } from './useAct'
import { useKind } from './useKind'
import { whole } from './whole'

/** What waits to be done, by kind: it can be held back, and thrown away. */
export default function QueuesTab() {
  const { t, i18n } = useTranslation('jobservice')
  const query = useQuery({ ...queues, select: whole })
  const kind = useKind()
  const act = useAct()
  const confirm = useConfirm()
  const all = query.data?.items ?? []
  const waits = all.reduce((sum, q) => sum + q.count, 0)
  const stop = (which: string, count: number, name: string) => confirm({
    title: t('stop.title', { name }), loses: t('stop.loses', { count }), verb: t('stop.verb'), done: t('stop.done', { name }), action: () => actOn(which, 'stop'),
  })
  const columns: Column<Queue>[] = [
    { name: 'kind', title: t('queue.kind'), cell: (q) => <Text component="span" inherit fw={560}>{kind(q.job_type)}</Text> },
    { name: 'state', title: t('queue.state'), cell: (q) => (q.paused ? <Badge color="orange">{t('queue.paused')}</Badge> : <Badge color="green">{t('queue.open')}</Badge>) },
    { name: 'count', title: t('queue.count'), align: 'right', cell: (q) => <Count value={q.count} /> },
    { name: 'latency', title: t('queue.latency'), align: 'right', cell: (q) => (q.count > 0 ? duration(q.latency, i18n.language) : '–') },
    {
      name: 'actions', title: '', align: 'right',
      cell: (q) => (
        <Group gap={6} justify="flex-end" wrap="nowrap">
          {q.paused ? (
            <Button size="compact-sm" variant="default" leftSection={<IconPlayerPlay size={14} />} aria-label={t('queue.resumeOf', { name: kind(q.job_type) })} onClick={() => void act(() => actOn(q.job_type, 'resume'), t('queue.resumed', { name: kind(q.job_type) }))}>{t('queue.resume')}</Button>
          ) : (
            <Button size="compact-sm" variant="default" leftSection={<IconPlayerPause size={14} />} aria-label={t('queue.pauseOf', { name: kind(q.job_type) })} onClick={() => void act(() => actOn(q.job_type, 'pause'), t('queue.didPause', { name: kind(q.job_type) }))}>{t('queue.pause')}</Button>
          )}
          <Button size="compact-sm" variant="default" disabled={q.count === 0} leftSection={<IconPlayerStop size={14} />} aria-label={t('stop.of', { name: kind(q.job_type) })} onClick={() => stop(q.job_type, q.count, kind(q.job_type))}>{t('stop.open')}</Button>
        </Group>
      ),
    },
  ]
  return (
    <DataTable
      label={t('tabs.queues')} columns={columns} query={query} list={everything} rowKey={(q) => q.job_type}
      toolbar={
        <>
          <Text size="sm" role="status">{t('queue.waiting', { count: waits })}</Text>
          <Group gap={6} ml="auto">
            {all.some((q) => !q.paused) && <Button size="xs" variant="default" onClick={() => void act(() => actOn('all', 'pause'), t('queue.allPaused'))}>{t('queue.pauseAll')}</Button>}
            {all.some((q) => q.paused) && <Button size="xs" variant="default" onClick={() => void act(() => actOn('all', 'resume'), t('queue.allResumed'))}>{t('queue.resumeAll')}</Button>}
            <Button size="xs" variant="default" disabled={waits === 0} onClick={() => stop('all', waits, t('queue.all'))}>{t('stop.all')}</Button>
          </Group>
        </>
      }
      empty={<EmptyState icon={IconStack} title={t('queue.empty')}>{t('queue.emptyNext')}</EmptyState>}
    />
  )
}

/** A list that is shown whole, without pages. */
const everything = { page: 1, size: 100, sort: '', q: '', filter: () => '', narrowed: false, set: () => undefined, widen: () => undefined, params: { page: 1, page_size: 100, sort: '' } }
