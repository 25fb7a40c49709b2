import { Alert, Button, Group, Modal, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconFileText, IconRadar } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { duration } from '~/parts/numbers'
import { goesOn, standOf, StatusBadge } from '~/parts/StatusBadge'
import { tellFailure } from '~/parts/tell'
import { TextBlock } from '~/parts/TextBlock'
import { TimeAgo } from '~/parts/TimeAgo'
import { WorkProgress } from '~/parts/WorkProgress'
import { logOf, type ScanKind, startScan, stopScan } from './queries'
import { useArtifact } from './useArtifact'

interface Props {
  kind: ScanKind
  run: Run | undefined // undefined: there was none
}

/** How the last scan went, or goes. */
export interface Run {
  report_id: string
  scan_status: string
  complete_percent?: number
  duration: number
  end_time: string
  scanner: { name: string; vendor: string; version: string }
}

/** The button that starts a scan. */
export function ScanButton({ kind, run, variant = 'filled' }: Props & { variant?: 'filled' | 'default' }) {
  const { t } = useTranslation('artifact')
  const { may } = useArtifact()
  const { start, busy } = useScan(kind)
  if (!may(kind === 'sbom' ? 'sbom' : 'scan', 'create') || (run && goesOn([run.scan_status]))) return null
  return <Button size="sm" variant={variant} leftSection={<IconRadar size={16} />} loading={busy} onClick={() => void start()}>{t(run ? `scan.${kind}.again` : `scan.${kind}.start`)}</Button>
}

function useScan(kind: ScanKind) {
  const { place, changed } = useArtifact()
  const [busy, setBusy] = useState(false)
  const act = (what: typeof startScan) => async () => {
    setBusy(true)
    try {
      await what(place, kind)
    } catch (error) {
      tellFailure(error)
    }
    await changed()
    setBusy(false)
  }
  return { start: act(startScan), stop: act(stopScan), busy }
}

/** How a scan goes or went, with its log and a way to stop it. */
export function ScanState({ kind, run }: { kind: ScanKind; run: Run }) {
  const { t, i18n } = useTranslation('artifact')
  const { may } = useArtifact()
  const { stop } = useScan(kind)
  const [reading, log] = useDisclosure()
  const runs = goesOn([run.scan_status])
  const failed = standOf(run.scan_status) === 'failed'
  const logButton = may('scan', 'read') && <Button size="compact-sm" variant="default" leftSection={<IconFileText size={14} />} onClick={log.open}>{t('scan.log')}</Button>
  return (
    <>
      {runs ? (
        <WorkProgress label={t(`scan.${kind}.running`)} percent={run.complete_percent || undefined} onStop={may(kind === 'sbom' ? 'sbom' : 'scan', 'stop') ? () => void stop() : undefined} />
      ) : failed ? (
        <Alert color="red" title={t(`scan.${kind}.failed`)}>{t('scan.failedHint')}<Group mt="xs">{logButton}</Group></Alert>
      ) : null}
      {!failed && (
        <Group gap="sm">
          <StatusBadge status={run.scan_status} />
          {!runs && <Text size="sm" c="dimmed" component="span"><TimeAgo value={run.end_time} /> · {duration(run.duration, i18n.language)} · {[run.scanner.name, run.scanner.version].filter(Boolean).join(' ')}</Text>}
          {logButton}
        </Group>
      )}
      {reading && <Modal opened onClose={log.close} title={t('scan.log')} size="xl" closeButtonProps={{ 'aria-label': t('close') }}><Log report={run.report_id} running={runs} /></Modal>}
    </>
  )
}

function Log({ report, running }: { report: string; running: boolean }) {
  const { t } = useTranslation('artifact')
  const { place } = useArtifact()
  const query = useQuery(logOf(place, report, running))
  if (query.isError) return <Alert color="red" role="alert">{query.error.message}</Alert>
  return <TextBlock label={t('scan.log')} text={query.data || t('scan.noLog')} />
}
