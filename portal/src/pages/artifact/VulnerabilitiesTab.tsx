import { Badge, Checkbox, Group, NativeSelect, Stack, Text, UnstyledButton } from '@mantine/core'
import { IconShieldCheck, IconShieldSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { Panel } from '~/parts/Panel'
import { SearchField } from '~/parts/SearchField'
import { severities, SeverityMark } from '~/parts/SeverityBar'
import { useList } from '~/parts/useList'
import { useAllowed } from './allowed'
import classes from './artifact.module.css'
import { choose, type Finding, readReport } from './findings'
import { reportOf, scanOf } from './queries'
import { ScanButton, ScanState } from './Scanning'
import { Severities } from './Severities'
import { useArtifact } from './useArtifact'
import { useLayers } from './Layers'

const FindingDrawer = lazy(() => import('./FindingDrawer'))

export default function VulnerabilitiesTab() {
  const { t } = useTranslation('artifact')
  const { artifact } = useArtifact()
  const run = scanOf(artifact)
  if (!run) {
    return <Panel><EmptyState icon={IconShieldSearch} title={t('scan.never')} action={<ScanButton kind="vulnerability" run={run} />}>{t('scan.neverHint')}</EmptyState></Panel>
  }
  return (
    <Stack gap="md">
      <Panel title={t('findings.summary')} actions={<ScanButton kind="vulnerability" run={run} variant="default" />}>
        <Stack gap="md">
          {run.summary && <Severities summary={run.summary} />}
          <ScanState kind="vulnerability" run={run} />
        </Stack>
      </Panel>
      {run.summary && run.summary.total > 0 && <Findings version={`${run.report_id} ${run.end_time}`} />}
    </Stack>
  )
}

function Findings({ version }: { version: string }) {
  const { t } = useTranslation('artifact')
  const { place, project } = useArtifact()
  const list = useList('-severity')
  const [shown, setShown] = useState<Finding>()
  const allowed = useAllowed(project)
  const layers = useLayers().data ?? []
  const query = useQuery({
    ...reportOf(place, version, readReport),
    select: (report) => choose(report?.findings ?? [], { ...list, severity: list.filter('severity'), fixable: list.filter('fixable') === 'true' }),
  })
  const layerOf = (f: Finding) => f.layers.map((d) => layers.findIndex((l) => l.digest === d) + 1).filter((n) => n > 0)
  const columns: Column<Finding>[] = [
    {
      name: 'id', title: t('findings.id'), sort: 'id',
      cell: (f) => (
        <Group gap={6}>
          <UnstyledButton className={classes.open} onClick={() => setShown(f)}>{f.id}</UnstyledButton>
          <Marks finding={f} allowed={allowed.has(f.id.toLowerCase())} />
        </Group>
      ),
    },
    { name: 'severity', title: t('findings.severity'), sort: 'severity', cell: (f) => <SeverityMark severity={f.severity} /> },
    { name: 'score', title: t('findings.score'), sort: 'score', align: 'right', cell: (f) => (f.score === undefined ? <Dash /> : <span className="numbers">{f.score.toFixed(1)}</span>) },
    { name: 'package', title: t('findings.package'), sort: 'package', cell: (f) => f.package },
    { name: 'version', title: t('findings.version'), cell: (f) => f.version },
    { name: 'fixed', title: t('findings.fixed'), cell: (f) => f.fixed || <Dash /> },
    { name: 'layer', title: t('findings.layer'), align: 'right', cell: (f) => layerOf(f).join(', ') || <Dash /> },
  ]
  return (
    <>
      <DataTable
        label={t('tabs.vulnerabilities')} columns={columns} query={query} list={list} rowKey={(f) => `${f.id} ${f.package} ${f.version} ${f.images.join()}`}
        toolbar={
          <>
            <SearchField list={list} label={t('findings.search')} />
            <NativeSelect
              size="sm" aria-label={t('findings.severity')} value={list.filter('severity')} onChange={(e) => list.set({ severity: e.currentTarget.value })}
              data={[{ value: '', label: t('findings.all') }, ...severities.map((s) => ({ value: s, label: t(`severity.${s}`, { ns: 'parts' }) }))]}
            />
            <Checkbox label={t('findings.fixable')} checked={list.filter('fixable') === 'true'} onChange={(e) => list.set({ fixable: e.currentTarget.checked ? 'true' : '' })} />
          </>
        }
        empty={<EmptyState icon={IconShieldCheck} title={t('findings.nothing')} />}
      />
      <Suspense>{shown && <FindingDrawer finding={shown} layers={layerOf(shown)} onClose={() => setShown(undefined)} />}</Suspense>
    </>
  )
}

const Dash = () => <Text component="span" c="dimmed" inherit>–</Text>

/** What one should know of a finding at once. */
function Marks({ finding, allowed }: { finding: Finding; allowed: boolean }) {
  const { t } = useTranslation('artifact')
  return (
    <>
      {allowed && <Badge color="gray" title={t('findings.allowedHint')}>{t('findings.allowed')}</Badge>}
      {finding.status === 'not_affected' && <Badge color="teal">{t('findings.notAffected')}</Badge>}
      {finding.status === 'under_investigation' && <Badge color="gray">{t('findings.investigated')}</Badge>}
      {finding.exploited && <Badge color="red">{t('findings.exploited')}</Badge>}
    </>
  )
}
