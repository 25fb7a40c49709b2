import { Switch } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconHistory } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Bytes } from '~/parts/Bytes'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { TimeAgo } from '~/parts/TimeAgo'
import classes from './artifact.module.css'
import { plainCommand, readHistory } from './layers'
import { useLayers } from './Layers'
import { additionOf } from './queries'
import { useArtifact } from './useArtifact'

export default function HistoryTab() {
  const { t } = useTranslation('artifact')
  const { place } = useArtifact()
  const layers = useLayers().data ?? []
  const query = useQuery(additionOf(place, 'build_history', (d) => d))
  const [all, show] = useDisclosure(true)
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (query.isPending) return <PageSkeleton />
  const steps = readHistory(query.data, layers.length)
  if (steps.length === 0) return <Panel><EmptyState icon={IconHistory} title={t('history.empty')}>{t('history.emptyHint')}</EmptyState></Panel>
  return (
    <Panel flush title={t('history.title')} actions={<Switch size="sm" label={t('history.all')} checked={all} onChange={show.toggle} />}>
      <ol className={classes.steps}>
        {steps.map((s, i) => (!all && s.empty ? null : (
          <li key={i} className={classes.step} data-empty={s.empty || undefined}>
            <span className={`${classes.dimmed} numbers`}>{i + 1}</span>
            <div>
              <code>{plainCommand(s.command) || s.comment || t('history.unknown')}</code>
              {(s.author || (s.command && s.comment)) && <div className={classes.dimmed}>{[s.author, s.command && s.comment].filter(Boolean).join(' · ')}</div>}
            </div>
            <span className={classes.end}>{s.layer === undefined ? '' : <Bytes value={layers[s.layer]?.size ?? 0} />}</span>
            <span className={`${classes.end} ${classes.dimmed}`}>{s.created && <TimeAgo value={s.created} />}</span>
          </li>
        )))}
      </ol>
    </Panel>
  )
}
