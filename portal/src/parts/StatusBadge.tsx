import { Badge, Loader } from '@mantine/core'
import { IconAlertTriangle, IconCheck, IconClock, IconPlayerStop } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'

/** How work stands, of whatever kind it is: the API has several words for each. */
export type Stand = 'waiting' | 'running' | 'done' | 'failed' | 'stopped'

const stands: Record<string, Stand> = {
  pending: 'waiting', scheduled: 'waiting', initialized: 'waiting', queued: 'waiting',
  running: 'running', inprogress: 'running', 'in progress': 'running',
  success: 'done', succeed: 'done', finished: 'done', completed: 'done',
  error: 'failed', failed: 'failed',
  stopped: 'stopped', stopping: 'stopped',
}

/** How the API's word for a status is meant; a word that is new is one of waiting. */
export function standOf(status: string): Stand {
  return stands[status.toLowerCase()] ?? 'waiting'
}

/** Whether a list should be asked for again soon: something in it goes on. */
export function goesOn(statuses: string[]): boolean {
  return statuses.map(standOf).some((s) => s === 'waiting' || s === 'running')
}

const looks = {
  waiting: { color: 'gray', icon: <IconClock size={13} /> },
  running: { color: 'tide', icon: <Loader size={11} color="currentColor" /> },
  done: { color: 'teal', icon: <IconCheck size={13} /> },
  failed: { color: 'red', icon: <IconAlertTriangle size={13} /> },
  stopped: { color: 'orange', icon: <IconPlayerStop size={13} /> },
} as const

/** The status of an execution or a task. */
export function StatusBadge({ status }: { status: string }) {
  const { t } = useTranslation('parts')
  const stand = standOf(status)
  const { color, icon } = looks[stand]
  return <Badge color={color} leftSection={icon} className="berth-badge">{t(`status.${stand}`)}</Badge>
}
