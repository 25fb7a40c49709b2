import { Button, NativeSelect, SimpleGrid, Stack } from '@mantine/core'
import { IconHistory, IconPlayerPlay } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { TextLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { useList } from '~/parts/useList'
import { executionsList, ruleById } from './queries'
import { RuleActions, useStart } from './RuleActions'
import { RuleState } from './ReplicationsPage'
import { ruleRoute } from './route'
import { RuleCopies, RuleOptions } from './RuleFacts'
import { useExecutionColumns } from './useExecutionColumns'

const RuleForm = lazy(() => import('./RuleForm'))

const statuses = ['InProgress', 'Succeed', 'Failed', 'Stopped'] as const
const triggers = ['manual', 'scheduled', 'event_based'] as const

export default function RulePage() {
  const { t } = useTranslation('replications')
  const id = Number(ruleRoute.useParams().rule)
  const rule = useQuery(ruleById(id))
  const list = useList('-id')
  const executions = useQuery(executionsList(id, list))
  const columns = useExecutionColumns()
  const start = useStart()
  const navigate = useNavigate()
  const [editing, setEditing] = useState(false)
  if (rule.isError) return <ErrorState error={rule.error} onRetry={() => void rule.refetch()} />
  if (!rule.data) return <PageSkeleton />
  const run = rule.data.enabled && <Button leftSection={<IconPlayerPlay size={16} />} onClick={() => void start(rule.data)}>{t('run')}</Button>
  return (
    <>
      <PageHeader
        title={rule.data.name}
        mark={<RuleState rule={rule.data} />}
        above={[<TextLink key="rules" to="/replications">{t('title')}</TextLink>]}
        description={rule.data.description}
        actions={<>{run}<RuleActions rule={rule.data} onEdit={() => setEditing(true)} onDeleted={() => navigate({ to: '/replications' })} /></>}
      />
      <Stack gap="md">
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Panel title={t('form.what')}><RuleCopies rule={rule.data} /></Panel>
          <Panel title={t('form.when')}><RuleOptions rule={rule.data} /></Panel>
        </SimpleGrid>
        <DataTable
          label={t('executions')}
          columns={columns}
          query={executions}
          list={list}
          rowKey={(e) => e.id}
          toolbar={
            <>
              <NativeSelect size="sm" aria-label={t('status')} value={list.filter('status')} onChange={(e) => list.set({ status: e.currentTarget.value })}
                data={[{ value: '', label: t('anyStatus') }, ...statuses.map((value) => ({ value, label: t(`statuses.${value}`) }))]} />
              <NativeSelect size="sm" aria-label={t('trigger.label')} value={list.filter('trigger')} onChange={(e) => list.set({ trigger: e.currentTarget.value })}
                data={[{ value: '', label: t('anyTrigger') }, ...triggers.map((value) => ({ value, label: t(`trigger.${value}`) }))]} />
            </>
          }
          empty={<EmptyState icon={IconHistory} title={t('neverRun.title')}>{t('neverRun.text')}</EmptyState>}
        />
      </Stack>
      <Suspense>{editing && <RuleForm rule={rule.data} onClose={() => setEditing(false)} />}</Suspense>
    </>
  )
}
