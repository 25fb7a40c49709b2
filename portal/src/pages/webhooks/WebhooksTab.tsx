import { Badge, Button, Group, Stack, Text, Tooltip } from '@mantine/core'
import { IconPlus, IconWebhook } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { policiesList, type Policy, triggers } from './queries'
import { useEventName } from './useEventName'
import { WebhookActions } from './WebhookActions'

const WebhookForm = lazy(() => import('./WebhookForm'))

export default function WebhooksTab() {
  const { t } = useTranslation('webhooks')
  const { name, may } = useProject()
  const list = useList('name')
  const query = useQuery(policiesList(name, list))
  const { data: last = [] } = useQuery(triggers(name))
  const [edited, setEdited] = useState<Policy | 'new'>()
  const lastOf = (policy: Policy) => last.filter((l) => l.policy_name === policy.name).map((l) => l.last_trigger_time ?? '').sort().at(-1)

  const columns: Column<Policy>[] = [
    {
      name: 'name', title: t('name'), sort: 'name',
      cell: (p) => (
        <div>
          <TextLink fw={560} to="/projects/$project/webhooks/$policy" params={{ project: name, policy: String(p.id) }}>{p.name}</TextLink>
          {p.description && <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>{p.description}</Text>}
        </div>
      ),
    },
    { name: 'state', title: t('state.label'), cell: (p) => <Badge color={p.enabled ? 'teal' : 'gray'}>{t(p.enabled ? 'state.enabled' : 'state.disabled')}</Badge> },
    { name: 'targets', title: t('targets'), cell: (p) => <Targets policy={p} /> },
    { name: 'events', title: t('events'), cell: (p) => <Events types={p.event_types} /> },
    { name: 'last', title: t('last'), cell: (p) => <TimeAgo value={lastOf(p)} /> },
  ]
  if (may('notification-policy', 'update')) {
    columns.push({ name: 'actions', title: '', width: 52, align: 'right', cell: (p) => <WebhookActions project={name} policy={p} mayDelete={may('notification-policy', 'delete')} onEdit={() => setEdited(p)} /> })
  }
  const create = may('notification-policy', 'create') && <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('create.open')}</Button>
  return (
    <>
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(p) => p.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        actions={create}
        empty={<EmptyState icon={IconWebhook} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>{edited && <WebhookForm project={name} policy={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}</Suspense>
    </>
  )
}

/** Where a policy sends to. */
export function Targets({ policy }: { policy: Policy }) {
  return (
    <Stack gap={2}>
      {policy.targets.map((target, i) => (
        <Group key={i} gap={6} wrap="nowrap"><Badge color="gray">{target.type}</Badge><span style={{ overflowWrap: 'anywhere' }}>{target.address}</span></Group>
      ))}
    </Stack>
  )
}

function Events({ types }: { types: string[] }) {
  const { t } = useTranslation('webhooks')
  const say = useEventName()
  return <Tooltip multiline maw={300} label={types.map(say).join(', ')}><Text component="span" inherit tabIndex={0}>{types.length === 1 ? say(types[0] ?? '') : t('eventCount', { count: types.length })}</Text></Tooltip>
}
