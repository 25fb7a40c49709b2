import { Alert, Button, SimpleGrid, Stack, Text } from '@mantine/core'
import { IconShieldSearch } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { securityKey } from '~/pages/security/queries'
import { ScheduleOf } from '~/pages/systemjobs/SchedulePanel'
import { Count } from '~/parts/Bytes'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { TextLink } from '~/parts/links'
import { Panel } from '~/parts/Panel'
import { tellDone, tellFailure } from '~/parts/tell'
import { WorkProgress } from '~/parts/WorkProgress'
import { scanAllKey, scanMetrics, scanNow, scanSchedule, setScanSchedule, stopScan } from './queries'

const statuses = ['Success', 'Error', 'Stopped', 'Running', 'Pending'] as const

/** Scans all artifacts: now, at times, and how far that is. */
export default function ScanAllTab() {
  const { t } = useTranslation('interrogation')
  const queries = useQueryClient()
  const metrics = useQuery(scanMetrics)
  const schedule = useQuery(scanSchedule)
  const [busy, setBusy] = useState(false)
  const now = metrics.data
  const done = now?.ongoing === false
  useEffect(() => {
    if (done) void queries.invalidateQueries({ queryKey: securityKey })
  }, [done, queries])
  const again = () => queries.invalidateQueries({ queryKey: scanAllKey })
  const does = async (action: () => Promise<unknown>, said: string) => {
    setBusy(true)
    try {
      await action()
      tellDone(said)
    } catch (error) {
      tellFailure(error)
    }
    await again()
    setBusy(false)
  }
  const set = async (at: Parameters<typeof setScanSchedule>[0]) => {
    await setScanSchedule(at)
    await again()
    tellDone(t('all.scheduled'))
  }
  return (
    <Stack gap="md">
      {metrics.data === null && <Alert color="yellow" title={t('all.noScanner')}>{t('all.noScannerNext')}</Alert>}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Panel title={t('all.title')}>
          <Stack gap="sm" align="flex-start">
            <Text c="dimmed">{t('all.about')}</Text>
            <Button leftSection={<IconShieldSearch size={16} />} loading={busy} disabled={!now || now.ongoing} onClick={() => void does(scanNow, t('all.started'))}>{t('all.run')}</Button>
          </Stack>
        </Panel>
        <ScheduleOf title={t('all.schedule')} type={schedule.data?.schedule.type} cron={schedule.data?.schedule.cron} next={schedule.data?.schedule.next_scheduled_time} pending={!schedule.data && schedule.isPending} onSet={set} />
      </SimpleGrid>
      {metrics.isError && <ErrorState error={metrics.error} onRetry={() => void metrics.refetch()} />}
      {now && (
        <Panel title={t('all.latest')} actions={!now.ongoing && now.total > 0 && <TextLink size="sm" to="/security">{t('all.findings')}</TextLink>}>
          {now.ongoing && <WorkProgress label={t('all.progress', { done: now.completed, count: now.total })} percent={now.total > 0 ? (now.completed / now.total) * 100 : undefined} onStop={() => void does(stopScan, t('all.stopping'))} />}
          {!now.ongoing && (now.total === 0 ? <Text c="dimmed">{t('all.never')}</Text> : <Text role="status">{t('all.done', { count: now.total })}</Text>)}
          {now.total > 0 && <div style={{ marginTop: 12 }}><Facts facts={statuses.map((s) => [t(`all.status.${s}`), now.metrics[s] ? <Count key={s} value={now.metrics[s]} /> : undefined])} /></div>}
        </Panel>
      )}
    </Stack>
  )
}
