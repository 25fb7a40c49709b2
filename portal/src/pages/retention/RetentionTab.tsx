import { Alert, Button, Group, Stack } from '@mantine/core'
import { IconPlus, IconRecycle } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { PolicyNav } from '~/pages/policy/PolicyNav'
import { useProject } from '~/pages/project/useProject'
import { NextRun } from '~/parts/CronPicker'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { keptOf, policyOf, type Rule } from './queries'
import { RuleList } from './RuleList'
import { RunButtons } from './RunButtons'
import { Runs } from './Runs'

const RuleForm = lazy(() => import('./RuleForm'))
const ScheduleForm = lazy(() => import('./ScheduleForm'))

const most = 15 // rules of a policy

export default function RetentionTab() {
  return (
    <>
      <PolicyNav shown="retention" />
      <Policy />
    </>
  )
}

function Policy() {
  const { t } = useTranslation('retention')
  const { project, may } = useProject()
  const id = Number(project.metadata?.retention_id) || undefined
  const query = useQuery({ ...policyOf(id ?? 0), enabled: id !== undefined })
  const [edited, setEdited] = useState<Rule | 'new' | 'schedule'>()
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (id !== undefined && !query.data) return <PageSkeleton />
  const kept = keptOf(query.data)
  const mayChange = may('tag-retention', id === undefined ? 'create' : 'update')
  const where = { projectId: project.project_id, id, kept }
  const add = mayChange && kept.rules.length < most && <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('rule.add')}</Button>
  return (
    <Stack gap="md">
      <Panel title={t('rule.title')} actions={kept.rules.length > 0 && add} flush>
        {kept.rules.length === 0
          ? <EmptyState icon={IconRecycle} title={t('empty.title')} action={add}>{t('empty.text')}</EmptyState>
          : <RuleList {...where} mayChange={mayChange} onEdit={setEdited} />}
      </Panel>
      {id !== undefined && (
        <>
          {kept.rules.length > 0 && kept.rules.every((r) => r.disabled) && <Alert color="yellow">{t('allDisabled')}</Alert>}
          <Panel title={t('schedule.title')} actions={mayChange && <Button size="compact-md" variant="default" onClick={() => setEdited('schedule')}>{t('schedule.edit')}</Button>}>
            {kept.cron ? <NextRun cron={kept.cron} /> : t('schedule.none')}
          </Panel>
          <Runs id={id} mayStop={mayChange} actions={mayChange && kept.rules.length > 0 && <Group gap="xs"><RunButtons id={id} /></Group>} />
        </>
      )}
      <Suspense>
        {edited === 'schedule' ? <ScheduleForm {...where} onClose={() => setEdited(undefined)} /> : edited && <RuleForm {...where} rule={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}
      </Suspense>
    </Stack>
  )
}
