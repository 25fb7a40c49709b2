import { Badge, Button, Group, SegmentedControl, Stack, Title } from '@mantine/core'
import { IconArrowLeft, IconHistory, IconSend } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { TextLink } from '~/parts/links'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { StatusBadge } from '~/parts/StatusBadge'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { aboutOf } from './execution'
import { type Execution, executionsList, type Policy, policyOf } from './queries'
import { webhookRoute } from './route'
import { useEventName } from './useEventName'
import { useTry } from './WebhookActions'
import { Targets } from './WebhooksTab'

const ExecutionDialog = lazy(() => import('./ExecutionDialog'))

export default function WebhookPage() {
  const { name } = useProject()
  const query = useQuery(policyOf(name, Number(webhookRoute.useParams().policy)))
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  return query.data ? <Shown policy={query.data} /> : <PageSkeleton />
}

function Shown({ policy }: { policy: Policy }) {
  const { t } = useTranslation('webhooks')
  const { name, may } = useProject()
  const say = useEventName()
  const attempt = useTry(name, policy)
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Group gap="sm">
          <TextLink size="sm" to="/projects/$project/webhooks" params={{ project: name }}><IconArrowLeft size={14} style={{ verticalAlign: -2 }} aria-hidden /> {t('title')}</TextLink>
          <Title order={2}>{policy.name}</Title>
          <Badge color={policy.enabled ? 'teal' : 'gray'}>{t(policy.enabled ? 'state.enabled' : 'state.disabled')}</Badge>
        </Group>
        {may('notification-policy', 'update') && <Button leftSection={<IconSend size={16} />} onClick={() => void attempt()}>{t('try.open')}</Button>}
      </Group>
      <Panel>
        <Facts facts={[[t('form.description'), policy.description], [t('targets'), <Targets key="targets" policy={policy} />], [t('events'), policy.event_types.map(say).join(', ')], [t('creator'), policy.creator]]} />
      </Panel>
      <Executions project={name} policy={policy} />
    </Stack>
  )
}

const statuses = ['Success', 'Error', 'Running', 'Stopped'] as const

function Executions({ project, policy }: { project: string; policy: Policy }) {
  const { t } = useTranslation('webhooks')
  const say = useEventName()
  const list = useList('-id')
  const query = useQuery(executionsList(project, policy.id, list))
  const [shown, setShown] = useState<Execution>()
  const columns: Column<Execution>[] = [
    { name: 'id', title: t('execution.id'), sort: 'id', width: 90, cell: (e) => <span className="numbers">{e.id}</span> },
    { name: 'event', title: t('execution.event'), cell: (e) => say(aboutOf(e).event) },
    { name: 'type', title: t('form.type'), cell: (e) => (e.vendor_type === 'SLACK' ? 'Slack' : 'HTTP') },
    { name: 'status', title: t('state.label'), cell: (e) => <StatusBadge status={e.status} /> },
    { name: 'started', title: t('execution.started'), cell: (e) => <TimeAgo value={e.start_time} /> },
    { name: 'actions', title: '', align: 'right', cell: (e) => <Button size="compact-sm" variant="default" aria-label={t('execution.show', { id: e.id })} onClick={() => setShown(e)}>{t('execution.open')}</Button> },
  ]
  return (
    <>
      <DataTable
        label={t('execution.title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(e) => e.id}
        toolbar={
          <>
            <Title order={2}>{t('execution.title')}</Title>
            <SegmentedControl size="sm" ml="auto" aria-label={t('state.label')} value={list.filter('status')} onChange={(status) => list.set({ status })}
              data={[{ value: '', label: t('execution.all') }, ...statuses.map((s) => ({ value: s, label: t(`execution.status.${s}`) }))]} />
          </>
        }
        empty={<EmptyState icon={IconHistory} title={t('execution.none')}>{t('execution.noneHint')}</EmptyState>}
      />
      <Suspense>{shown && <ExecutionDialog project={project} policy={policy.id} execution={shown} onClose={() => setShown(undefined)} />}</Suspense>
    </>
  )
}
