import { Button, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, type ReactNode, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import type { Schedule } from '~/parts/cron'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { Panel } from '~/parts/Panel'
import { tellDone } from '~/parts/tell'
import { TimeAgo } from '~/parts/TimeAgo'
import { type Parameters, scheduleOf, type Work, workKey } from './queries'

const ScheduleDialog = lazy(() => import('./ScheduleDialog'))

interface Props {
  work: Work
  title: string
  parameters?: Parameters // what scheduled work is told from now on
  told?: ReactNode // what it is told, in words
}

/** When work is done by itself. */
export function SchedulePanel({ work, title, parameters, told }: Props) {
  const { t } = useTranslation('work')
  const query = useQuery(scheduleOf(work))
  const queries = useQueryClient()
  const set = async (schedule: Schedule) => {
    await work.set(schedule, parameters)
    await queries.invalidateQueries({ queryKey: workKey(work) })
    tellDone(t('schedule.done'))
  }
  if (query.isError) return <Panel title={title}><ErrorState error={query.error} onRetry={() => void query.refetch()} /></Panel>
  const at = query.data?.schedule
  return <ScheduleOf title={title} type={at?.type} cron={at?.cron} next={at?.next_scheduled_time} told={told} pending={query.isPending} onSet={set} />
}

interface OfProps {
  title: string
  type: string | undefined
  cron: string | undefined
  next: string | undefined
  told?: ReactNode
  pending: boolean
  onSet: (schedule: Schedule) => Promise<unknown>
}

/** A schedule as it is, with the dialog that changes it. */
export function ScheduleOf({ title, type = 'None', cron = '', next, told, pending, onSet }: OfProps) {
  const { t } = useTranslation('work')
  const { t: say } = useTranslation('cron')
  const [opened, dialog] = useDisclosure()
  const now: Schedule = { type: isType(type) ? type : 'Custom', cron }
  return (
    <Panel title={title} actions={<Button variant="default" size="xs" disabled={pending} onClick={dialog.open}>{t('schedule.edit')}</Button>}>
      {now.type === 'None' ? (
        <Text c="dimmed" component="div">{pending ? '' : t('schedule.none')}</Text>
      ) : (
        <Facts
          facts={[
            [t('schedule.repeats'), say(`type.${now.type}`)],
            [t('schedule.cron'), <span key="cron" className="mono">{cron}</span>],
            [t('schedule.next'), next && <TimeAgo key="next" value={next} />],
            [t('schedule.told'), told],
          ]}
        />
      )}
      <Suspense>{opened && <ScheduleDialog title={title} value={now} onSet={onSet} onClose={dialog.close} />}</Suspense>
    </Panel>
  )
}

const types = ['Hourly', 'Daily', 'Weekly', 'Custom', 'None'] as const
type Type = (typeof types)[number]

function isType(type: string): type is Type {
  return types.some((one) => one === type)
}
