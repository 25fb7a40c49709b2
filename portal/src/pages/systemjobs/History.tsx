import { ActionIcon, Badge, Group, Tooltip } from '@mantine/core'
import { IconFileText, IconHistory, IconPlayerStop } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { duration } from '~/parts/numbers'
import { StatusBadge } from '~/parts/StatusBadge'
import { tellDone, tellFailure } from '~/parts/tell'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { history, runs, type SystemJob, type Work, workKey } from './queries'
import { told } from './told'

const LogDialog = lazy(() => import('~/parts/LogDialog'))

interface Props {
  work: Work
  label: string
  result: (job: SystemJob) => ReactNode // what came of one
  resultTitle: string
  empty: ReactNode // what to do where nothing ever ran
}

/** What has run of a kind of work, with what came of it. */
export function History({ work, label, result, resultTitle, empty }: Props) {
  const { t, i18n } = useTranslation('work')
  const list = useList('-id')
  const query = useQuery(history(work, list))
  const [shown, setShown] = useState<SystemJob>()
  const stop = useStop(work)
  const columns: Column<SystemJob>[] = [
    { name: 'id', title: t('id'), sort: 'id', cell: (j) => <span className="numbers">{j.id}</span> },
    { name: 'trigger', title: t('trigger.label'), cell: (j) => <Group gap={6}>{t(j.job_kind === 'SCHEDULE' ? 'trigger.schedule' : 'trigger.manual')}{told(j.job_parameters).flag('dry_run') && <Badge color="gray">{t('dryRun')}</Badge>}</Group> },
    { name: 'status', title: t('status'), cell: (j) => <StatusBadge status={j.job_status} /> },
    { name: 'result', title: resultTitle, cell: result },
    { name: 'started', title: t('started'), cell: (j) => <TimeAgo value={j.creation_time} /> },
    { name: 'took', title: t('took'), cell: (j) => (runs(j) ? '' : duration((Date.parse(j.update_time) - Date.parse(j.creation_time)) / 1000, i18n.language)) },
    {
      name: 'actions', title: '', width: 96, align: 'right',
      cell: (j) => (
        <Group gap={2} justify="flex-end" wrap="nowrap">
          {runs(j) && <Tooltip label={t('stop')}><ActionIcon aria-label={t('stopOf', { id: j.id })} onClick={() => void stop(j.id)}><IconPlayerStop size={17} /></ActionIcon></Tooltip>}
          <Tooltip label={t('log')}><ActionIcon aria-label={t('logOf', { id: j.id })} onClick={() => setShown(j)}><IconFileText size={17} /></ActionIcon></Tooltip>
        </Group>
      ),
    },
  ]
  const current = query.data?.items.find((j) => j.id === shown?.id) ?? shown
  return (
    <>
      <DataTable label={label} columns={columns} query={query} list={list} rowKey={(j) => j.id} empty={<EmptyState icon={IconHistory} title={t('empty')}>{empty}</EmptyState>} />
      <Suspense>
        {current && (
          <LogDialog label={t('logOf', { id: current.id })} name={[work.name, current.id]} read={(headers) => work.log(current.id, headers)} running={runs(current)} file={`${work.name}-${current.id}.log`} onClose={() => setShown(undefined)} />
        )}
      </Suspense>
    </>
  )
}

/** Stops work that goes on. */
export function useStop(work: Work) {
  const { t } = useTranslation('work')
  const queries = useQueryClient()
  return async (id: number) => {
    try {
      await work.stop(id)
      tellDone(t('stopping'))
    } catch (error) {
      tellFailure(error)
    }
    await queries.invalidateQueries({ queryKey: workKey(work) })
  }
}
