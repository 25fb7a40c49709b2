import { Alert, Button, Text } from '@mantine/core'
import { IconCalendarTime, IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { Schemas } from '~/api/client'
import { NextRun } from '~/parts/CronPicker'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { actOn, schedulesList, schedulesPaused } from './queries'
import { useAct } from './useAct'
import { useKind } from './useKind'

/** All schedules that there are; they are held back together. */
export default function SchedulesTab() {
  const { t } = useTranslation('jobservice')
  const list = useList()
  const query = useQuery(schedulesList(list))
  const paused = useQuery(schedulesPaused).data
  const kind = useKind()
  const act = useAct()
  const columns: Column<Schemas['ScheduleTask']>[] = [
    { name: 'kind', title: t('queue.kind'), cell: (s) => <Text component="span" inherit fw={560}>{kind(s.vendor_type)}</Text> },
    { name: 'owner', title: t('schedule.owner'), cell: (s) => (s.vendor_id > 0 ? s.vendor_id : <Text component="span" inherit c="dimmed">{t('schedule.system')}</Text>) },
    { name: 'cron', title: t('schedule.cron'), cell: (s) => <span className="mono">{s.cron}</span> },
    { name: 'next', title: t('schedule.next'), cell: (s) => (paused ? <Text component="span" inherit c="dimmed">{t('queue.paused')}</Text> : <NextRun cron={s.cron} />) },
    { name: 'updated', title: t('schedule.updated'), cell: (s) => <TimeAgo value={s.update_time} /> },
  ]
  const button = paused ? (
    <Button size="xs" leftSection={<IconPlayerPlay size={15} />} onClick={() => void act(() => actOn('SCHEDULER', 'resume'), t('schedule.resumed'))}>{t('schedule.resume')}</Button>
  ) : (
    <Button size="xs" variant="default" leftSection={<IconPlayerPause size={15} />} onClick={() => void act(() => actOn('SCHEDULER', 'pause'), t('schedule.didPause'))}>{t('schedule.pause')}</Button>
  )
  return (
    <>
      {paused && <Alert color="yellow" mb="md" title={t('schedule.paused')}>{t('schedule.pausedNext')}</Alert>}
      <DataTable label={t('tabs.schedules')} columns={columns} query={query} list={list} rowKey={(s) => s.id} toolbar={paused !== undefined && button}
        empty={<EmptyState icon={IconCalendarTime} title={t('schedule.empty')}>{t('schedule.emptyNext')}</EmptyState>} />
    </>
  )
}
