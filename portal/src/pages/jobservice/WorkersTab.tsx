import { ActionIcon, Button, Group, SimpleGrid, Stack, Text, Tooltip } from '@mantine/core'
import { IconFileText, IconPlayerStop } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { TimeAgo } from '~/parts/TimeAgo'
import { jobLog, type Pool, stopJob, type Worker, workers } from './queries'
import { useAct } from './useAct'
import { useKind } from './useKind'
import classes from './Workers.module.css'

const LogDialog = lazy(() => import('~/parts/LogDialog'))

/** Who works, and at what. */
export default function WorkersTab() {
  const { t } = useTranslation('jobservice')
  const query = useQuery(workers)
  const [shown, setShown] = useState<Worker>()
  const kind = useKind()
  const confirm = useConfirm()
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (!query.data) return <PageSkeleton />
  const { pools, busy } = query.data
  const total = pools.reduce((sum, p) => sum + p.concurrency, 0)
  const stopAll = () => confirm({ title: t('worker.stopAll'), loses: t('worker.stopLoses'), verb: t('worker.stopVerb'), done: t('worker.stoppedAll'), action: () => stopJob('all') })
  return (
    <Stack gap="md">
      <Panel title={t('worker.title')} actions={<Button size="xs" variant="default" leftSection={<IconPlayerStop size={15} />} disabled={busy.length === 0} onClick={stopAll}>{t('worker.stopAllOpen')}</Button>}>
        <Text role="status">{t('worker.free', { free: Math.max(total - busy.length, 0), count: total, busy: busy.length })}</Text>
        <div className={classes.slots} aria-hidden>{Array.from({ length: total }, (_, i) => <span key={i} data-busy={i < busy.length || undefined} />)}</div>
      </Panel>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {pools.map((p) => <PoolPanel key={p.worker_pool_id} pool={p} busy={busy.filter((w) => w.pool_id === p.worker_pool_id)} onLog={setShown} />)}
      </SimpleGrid>
      <Suspense>
        {shown && <LogDialog label={t('worker.logOf', { name: kind(shown.job_name), id: shown.job_id })} name={['job', shown.job_id]} read={(headers) => jobLog(shown.job_id, headers)} running={busy.some((w) => w.job_id === shown.job_id)} file={`job-${shown.job_id}.log`} onClose={() => setShown(undefined)} />}
      </Suspense>
    </Stack>
  )
}

function PoolPanel({ pool, busy, onLog }: { pool: Pool; busy: Worker[]; onLog: (worker: Worker) => void }) {
  const { t } = useTranslation('jobservice')
  const kind = useKind()
  const act = useAct()
  return (
    <Panel title={pool.host || pool.worker_pool_id}>
      <Facts facts={[[t('worker.pool'), <span key="id" className="mono">{pool.worker_pool_id}</span>], [t('worker.count'), pool.concurrency], [t('worker.since'), <TimeAgo key="s" value={pool.start_at} />], [t('worker.heard'), <TimeAgo key="h" value={pool.heartbeat_at} />]]} />
      <Stack gap={6} mt="md">
        {busy.length === 0 && <Text c="dimmed">{t('worker.idle')}</Text>}
        {busy.map((w) => (
          <Group key={w.id} justify="space-between" wrap="nowrap">
            <Text>{kind(w.job_name)} <Text component="span" size="sm" c="dimmed">{t('worker.job', { id: w.job_id })} · <TimeAgo value={w.start_at} /></Text></Text>
            <Group gap={2} wrap="nowrap">
              <Tooltip label={t('worker.log')}><ActionIcon aria-label={t('worker.logOf', { name: kind(w.job_name), id: w.job_id })} onClick={() => onLog(w)}><IconFileText size={17} /></ActionIcon></Tooltip>
              <Tooltip label={t('worker.stop')}><ActionIcon aria-label={t('worker.stopOf', { name: kind(w.job_name), id: w.job_id })} onClick={() => void act(() => stopJob(w.job_id), t('worker.stopped'))}><IconPlayerStop size={17} /></ActionIcon></Tooltip>
            </Group>
          </Group>
        ))}
      </Stack>
    </Panel>
  )
}
