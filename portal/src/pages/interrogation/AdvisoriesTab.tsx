import { Alert, Badge, Button, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { IconNews, IconRefresh } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { History } from '~/pages/systemjobs/History'
import { advisoryUpdates, type SystemJob } from '~/pages/systemjobs/queries'
import { Running } from '~/pages/systemjobs/Running'
import { SchedulePanel } from '~/pages/systemjobs/SchedulePanel'
import { told } from '~/pages/systemjobs/told'
import { useStart } from '~/pages/systemjobs/useStart'
import { Count } from '~/parts/Bytes'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { moment } from '~/parts/numbers'
import { Panel } from '~/parts/Panel'
import { TimeAgo } from '~/parts/TimeAgo'
import classes from './Sources.module.css'
import { advisories, type Source } from './queries'

/** What the built-in scanner knows vulnerabilities from, and how old that is. */
export default function AdvisoriesTab() {
  const { t } = useTranslation('interrogation')
  const query = useQuery(advisories)
  const queries = useQueryClient()
  const { start, busy } = useStart(advisoryUpdates)
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  const off = query.data?.source === ''
  const result = (job: SystemJob) => {
    const changed = told(job.job_parameters).number('changed_records')
    return changed === undefined ? '–' : t('advisories.records', { count: changed })
  }
  return (
    <Stack gap="md">
      {query.data?.generation === 0 && <Alert color="yellow" title={t('advisories.none')}>{t(off ? 'advisories.noneOff' : 'advisories.noneNext')}</Alert>}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Panel title={t('advisories.title')} actions={!off && <Button size="xs" leftSection={<IconRefresh size={15} />} loading={busy} onClick={() => void start(undefined, t('advisories.started'))}>{t('advisories.update')}</Button>}>
          <Facts
            facts={[
              [t('advisories.from'), query.data && (off ? t('advisories.off') : <span className="mono" key="from">{query.data.source}</span>)],
              [t('advisories.age'), <TimeAgo key="age" value={query.data?.generation_time} />],
              [t('advisories.all'), <Count key="all" value={(query.data?.sources ?? []).reduce((sum, s) => sum + s.records, 0)} />],
            ]}
          />
        </Panel>
        <SchedulePanel work={advisoryUpdates} title={t('advisories.schedule')} />
      </SimpleGrid>
      <Running work={advisoryUpdates} label={(job) => t('advisories.running', { source: told(job.job_parameters).text('source') })} then={() => void queries.invalidateQueries({ queryKey: advisories.queryKey })} />
      <Panel title={t('advisories.sources')} flush>
        {query.data && query.data.sources.length === 0 ? <EmptyState icon={IconNews} title={t('advisories.noSource')} /> : <Sources sources={query.data?.sources ?? []} />}
      </Panel>
      <History work={advisoryUpdates} label={t('advisories.history')} resultTitle={t('advisories.changed')} result={result} empty={t(off ? 'advisories.noneOff' : 'advisories.noneNext')} />
    </Stack>
  )
}

const stale = 7 * 86_400_000 // ms: older than that is worth a mark

function Sources({ sources }: { sources: Source[] }) {
  const { t } = useTranslation('interrogation')
  return (
    <div className={classes.frame}>
      <table className={classes.table} aria-label={t('advisories.sources')}>
        <thead><tr><th>{t('advisories.name')}</th><th>{t('advisories.count')}</th><th>{t('advisories.newest')}</th><th>{t('advisories.tried')}</th><th>{t('advisories.state')}</th></tr></thead>
        <tbody>
          {sources.map((s) => (
            <tr key={s.name}>
              <td><Group gap={6}><Text component="span" inherit fw={560}>{s.name}</Text>{s.malicious && <Badge color="gray">{t('advisories.malicious')}</Badge>}</Group></td>
              <td><Count value={s.records} /></td>
              <td><TimeAgo value={s.newest_time} /></td>
              <td><Group gap={6}><TimeAgo value={s.update_time} />{old(s) && <Badge color="orange">{t('advisories.old')}</Badge>}</Group></td>
              <td>{s.error ? <Stack gap={2} align="flex-start"><Badge color="red">{t('advisories.failed')}</Badge><Text size="sm" c="dimmed">{s.error}</Text></Stack> : <Badge color="green">{t('advisories.good')}</Badge>}{s.update_skipped > 0 && <Text size="sm" c="dimmed" title={s.update_notes?.join('\n')}>{t('advisories.skipped', { count: s.update_skipped })}</Text>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function old(source: Source): boolean {
  const at = moment(source.update_time)
  return at !== undefined && Date.now() - at.getTime() > stale
}
