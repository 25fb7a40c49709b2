import { Badge, Button, Text } from '@mantine/core'
import { IconArrowsExchange, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { NextRun } from '~/parts/CronPicker'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { Ends } from './Ends'
import { type Rule, rulesList } from './queries'
import { RuleActions } from './RuleActions'
import { TriggerName } from './TriggerName'

const RuleForm = lazy(() => import('./RuleForm'))

export default function ReplicationsPage() {
  const { t } = useTranslation('replications')
  const list = useList('name')
  const query = useQuery(rulesList(list))
  const [edited, setEdited] = useState<Rule | 'new'>()
  const columns: Column<Rule>[] = [
    {
      name: 'name', title: t('name'), sort: 'name',
      cell: (r) => <div style={{ overflowWrap: 'anywhere' }}><TextLink fw={560} to="/replications/$rule" params={{ rule: String(r.id) }}>{r.name}</TextLink>{r.description && <Text size="sm" c="dimmed">{r.description}</Text>}</div>,
    },
    { name: 'enabled', title: t('state'), sort: 'enabled', cell: (r) => <RuleState rule={r} /> },
    { name: 'ends', title: t('ends'), cell: (r) => <Ends rule={r} /> },
    { name: 'trigger', title: t('trigger.label'), sort: 'trigger', cell: (r) => <div style={{ maxWidth: 280 }}><TriggerName trigger={r.trigger?.type ?? 'manual'} />{r.enabled && <NextRun cron={r.trigger?.trigger_settings?.cron} />}</div> },
    { name: 'updated', title: t('updated'), sort: 'update_time', cell: (r) => <TimeAgo value={r.update_time} /> },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (r) => <RuleActions rule={r} onEdit={() => setEdited(r)} /> },
  ]
  const create = <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('create.open')}</Button>
  return (
    <>
      <PageHeader title={t('title')} description={t('pageDescription')} actions={create} />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(r) => r.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        empty={<EmptyState icon={IconArrowsExchange} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>{edited && <RuleForm rule={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}</Suspense>
    </>
  )
}

export function RuleState({ rule }: { rule: Rule }) {
  const { t } = useTranslation('replications')
  return rule.enabled ? <Badge color="teal">{t('enabled')}</Badge> : <Badge color="gray">{t('disabled')}</Badge>
}
