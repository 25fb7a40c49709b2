import { Group, Modal, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Copy } from '~/parts/CopyCommand'
import { ErrorState } from '~/parts/ErrorState'
import { LogView } from '~/parts/LogView'
import { goesOn, StatusBadge } from '~/parts/StatusBadge'
import { TimeAgo } from '~/parts/TimeAgo'
import { aboutOf } from './execution'
import { type Execution, taskLog, tasksOf } from './queries'
import { useEventName } from './useEventName'
import classes from './ExecutionDialog.module.css'

interface Props {
  project: string
  policy: number
  execution: Execution
  onClose: () => void
}

/** What was sent, and what came of it. */
export default function ExecutionDialog({ project, policy, execution, onClose }: Props) {
  const { t } = useTranslation('webhooks')
  const say = useEventName()
  const tasks = useQuery(tasksOf(project, policy, execution.id))
  const { event, payload } = aboutOf(execution)
  return (
    <Modal opened onClose={onClose} size="xl" title={t('execution.one', { id: execution.id, event: say(event) })} closeButtonProps={{ 'aria-label': t('execution.close') }}>
      <Stack gap="md">
        {tasks.isError && <ErrorState error={tasks.error} onRetry={() => void tasks.refetch()} />}
        {tasks.data?.map((task) => (
          <section key={task.id}>
            <Group gap="sm" mb={8}>
              <Title order={3}>{t('execution.task', { id: task.id })}</Title>
              <StatusBadge status={task.status} />
              <Text size="sm" c="dimmed">{t('execution.runs', { count: task.run_count })} · <TimeAgo value={task.update_time} /></Text>
            </Group>
            {task.status_message && <Text size="sm" mb={8} style={{ overflowWrap: 'anywhere' }}>{task.status_message}</Text>}
            <LogView label={t('execution.log', { id: task.id })} name={['webhook', task.id]} running={goesOn([task.status])} file={`webhook-${execution.id}-${task.id}.log`}
              read={(headers) => taskLog(project, policy, execution.id, task.id, headers)} />
          </section>
        ))}
        {payload && (
          <section>
            <Group justify="space-between"><Title order={3}>{t('execution.payload')}</Title><Copy text={payload} label={t('execution.copy')} /></Group>
            <pre className={classes.payload} tabIndex={0} aria-label={t('execution.payload')} role="region">{payload}</pre>
          </section>
        )}
      </Stack>
    </Modal>
  )
}
