import { Badge, Button, Title } from '@mantine/core'
import { IconHistory } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { duration, moment } from '~/parts/numbers'
import { goesOn, StatusBadge } from '~/parts/StatusBadge'
import { tellFailure } from '~/parts/tell'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { retentionKey, type Run, runsList, stopRun } from './queries'

/** The runs of a policy, the last one first. */
export function Runs({ id, mayStop, actions }: { id: number; mayStop: boolean; actions: ReactNode }) {
  const { t, i18n } = useTranslation('retention')
  const { name } = useProject()
  const list = useList()
  const query = useQuery(runsList(id, list))
  const queries = useQueryClient()
  const stop = (run: Run) => stopRun(id, run.id).then(() => queries.invalidateQueries({ queryKey: retentionKey }), tellFailure)
  const columns: Column<Run>[] = [
    { name: 'id', title: t('run.number'), cell: (r) => <TextLink fw={560} to="/projects/$project/policy/runs/$run" params={{ project: name, run: String(r.id) }}>{t('run.name', { id: r.id })}</TextLink> },
    { name: 'status', title: t('run.status'), cell: (r) => <StatusBadge status={r.status} /> },
    { name: 'dry', title: t('run.kind'), cell: (r) => (r.dry_run ? <Badge color="gray">{t('run.dry')}</Badge> : t('run.real')) },
    { name: 'trigger', title: t('run.trigger'), cell: (r) => (r.trigger === 'MANUAL' ? (r.operator ?? t('run.manual')) : t('run.schedule')) },
    { name: 'started', title: t('run.at'), cell: (r) => <TimeAgo value={r.start_time} /> },
    { name: 'took', title: t('run.took'), cell: (r) => tookOf(r, i18n.language) },
    { name: 'actions', title: '', width: 80, align: 'right', cell: (r) => mayStop && goesOn([r.status]) && <Button size="compact-sm" variant="default" onClick={() => void stop(r)}>{t('run.stop')}</Button> },
  ]
  return (
    <DataTable
      label={t('run.list')}
      columns={columns}
      query={query}
      list={list}
      rowKey={(r) => r.id}
      toolbar={<Title order={2}>{t('run.list')}</Title>}
      actions={actions}
      empty={<EmptyState icon={IconHistory} title={t('run.none')}>{t('run.noneHint')}</EmptyState>}
    />
  )
}

function tookOf({ start_time, end_time }: Run, language: string): string {
  const [start, end] = [moment(start_time), moment(end_time)]
  return start && end ? duration((end.getTime() - start.getTime()) / 1000, language) : '–'
}
