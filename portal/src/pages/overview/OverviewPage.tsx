import { SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { api, data, page } from '~/api/client'
import { quotasList, used } from '~/pages/quotas/queries'
import { Bytes, Count } from '~/parts/Bytes'
import { DayBars } from '~/parts/DayBars'
import { ErrorState } from '~/parts/ErrorState'
import { Figure } from '~/parts/Figure'
import { TextLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { Panel } from '~/parts/Panel'
import { TimeAgo } from '~/parts/TimeAgo'
import classes from './Overview.module.css'

export default function OverviewPage() {
  const { t } = useTranslation('overview')
  const statistics = useQuery({ queryKey: ['overview', 'statistics'], queryFn: () => data(api.GET('/statistics')) })
  const volumes = useQuery({ queryKey: ['overview', 'volumes'], queryFn: () => data(api.GET('/systeminfo/volumes')) })
  const s = statistics.data
  const disk = volumes.data?.storage[0]
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} />
      <Stack gap="md">
        {statistics.isError && <ErrorState error={statistics.error} onRetry={() => void statistics.refetch()} />}
        <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="md">
          <Figure title={t('projects')} note={s && t('split', { open: s.public_project_count, closed: s.private_project_count })}>{s && <TextLink inherit to="/projects"><Count value={s.total_project_count} /></TextLink>}</Figure>
          <Figure title={t('repositories')} note={s && t('split', { open: s.public_repo_count, closed: s.private_repo_count })}>{s && <Count value={s.total_repo_count} />}</Figure>
          <Figure title={t('storage')} note={t('storageNote')}>{s && <Bytes value={s.total_storage_consumption} />}</Figure>
          {disk && <Figure title={t('disk')} note={<>{t('diskOf')} <Bytes value={disk.total} /></>}><Bytes value={disk.free} /></Figure>}
        </SimpleGrid>
        <Pulls />
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md"><Largest /><Activity /></SimpleGrid>
      </Stack>
    </>
  )
}

function Pulls() {
  const { t } = useTranslation('overview')
  const query = useQuery({ queryKey: ['overview', 'pulls'], queryFn: () => data(api.GET('/statistics/pulls')) })
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  return <Panel title={t('pulls')}>{query.data && <DayBars days={query.data} />}</Panel>
}

const shown = 8

/** The projects that use most, as bars beside one another. */
function Largest() {
  const { t } = useTranslation('overview')
  const query = useQuery(quotasList({ page: 1, page_size: shown, sort: '-used.storage' }))
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  const all = query.data?.items ?? []
  const most = Math.max(...all.map(used), 1)
  return (
    <Panel title={t('largest')} actions={<TextLink size="sm" to="/quotas">{t('toQuotas')}</TextLink>}>
      {query.data && all.length === 0 && <Text c="dimmed">{t('noProjects')}</Text>}
      <ul className={classes.bars}>
        {all.map((q) => (
          <li key={q.id}>
            <Link className={classes.bar} to="/projects/$project" params={{ project: q.ref.name }}>
              <span className={classes.name}>{q.ref.name}</span><Bytes value={used(q)} />
              <span className={classes.line} aria-hidden><span style={{ width: `${(used(q) / most) * 100}%` }} /></span>
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

/** A text whose digests are cut short. */
function short(text: string): string {
  return text.replace(/(sha\d{3}:[0-9a-f]{12})[0-9a-f]+/g, '$1…')
}

/** What was done last. */
function Activity() {
  const { t } = useTranslation('overview')
  const query = useQuery({ queryKey: ['audit', 'newest'], queryFn: () => page(api.GET('/auditlog-exts', { params: { query: { page: 1, page_size: shown, sort: '-op_time' } } })) })
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  return (
    <Panel title={t('activity')} actions={<TextLink size="sm" to="/audit-log">{t('toLog')}</TextLink>}>
      {query.data?.items.length === 0 && <Text c="dimmed">{t('noActivity')}</Text>}
      <ul className={classes.entries}>
        {query.data?.items.map((e) => (
          <li key={e.id}><span className={classes.name}><b>{e.username}</b> {short(e.operation_description || `${e.operation} ${e.resource}`)}</span><Text component="span" size="sm" c="dimmed"><TimeAgo value={e.op_time} /></Text></li>
        ))}
      </ul>
    </Panel>
  )
}
