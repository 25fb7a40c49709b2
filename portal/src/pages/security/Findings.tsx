import { Anchor, Badge, Group, Stack, Text } from '@mantine/core'
import { IconShieldCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { ButtonLink, TextLink } from '~/parts/links'
import { shortDigest } from '~/parts/names'
import { SeverityMark } from '~/parts/SeverityBar'
import { useList } from '~/parts/useList'
import { projectNamed } from '~/pages/projects/queries'
import { ArtifactLink } from './ArtifactLink'
import { FindingFilters } from './FindingFilters'
import { counted, type Finding, findings } from './queries'

/** All that was found, with the API's filters. */
export function Findings() {
  const { t } = useTranslation('security')
  const list = useList()
  const project = list.filter('project')
  const named = useQuery({ ...projectNamed(project), enabled: project !== '' })
  // A name that no project has finds nothing, as an id does that there is not.
  const id = project === '' ? undefined : (named.data?.project_id ?? Number.MAX_SAFE_INTEGER)
  const query = useQuery({ ...findings(list, id), enabled: project === '' || !named.isPending })
  return (
    <>
      <DataTable
        label={t('findings')} columns={useColumns()} query={query} list={list} rowKey={(f) => `${f.repository_name}@${f.digest} ${f.cve_id} ${f.package} ${f.version}`}
        toolbar={<FindingFilters list={list} />} narrow={t('nothing.exact')}
        empty={<EmptyState icon={IconShieldCheck} title={t('nothing.title')} action={<ButtonLink variant="default" to="/interrogation/scan-all">{t('coverage.scan')}</ButtonLink>}>{t('nothing.next')}</EmptyState>}
      />
      {(query.data?.total ?? 0) > counted && <Text size="sm" c="dimmed">{t('more', { count: counted })}</Text>}
    </>
  )
}

function useColumns(): Column<Finding>[] {
  const { t } = useTranslation('security')
  return [
    {
      name: 'cve', title: t('cve'), width: '24%',
      cell: (f) => <Stack gap={0}><Cve finding={f} />{f.desc && <Text component="span" size="sm" c="dimmed" lineClamp={2} title={f.desc}>{f.desc}</Text>}</Stack>,
    },
    { name: 'severity', title: t('severity'), cell: (f) => <SeverityMark severity={f.severity} /> },
    { name: 'score', title: t('score'), align: 'right', cell: (f) => (f.cvss_v3_score > 0 ? <span className="numbers">{f.cvss_v3_score.toFixed(1)}</span> : '–') },
    { name: 'package', title: t('package'), cell: (f) => <Stack gap={0}><TextLink inherit to="/security" search={{ package: f.package }}>{f.package}</TextLink><Text component="span" size="sm" c="dimmed">{f.version}</Text></Stack> },
    { name: 'fixed', title: t('fixed'), cell: (f) => f.fixed_version || <Text component="span" inherit c="dimmed">–</Text> },
    {
      name: 'artifact', title: t('artifact'),
      cell: (f) => <Stack gap={2}><ArtifactLink repository={f.repository_name} digest={f.digest} /><Group gap={6}>{f.tags.slice(0, 3).map((tag) => <Badge key={tag} className="berth-badge">{tag}</Badge>)}<Text component="span" size="sm" c="dimmed" className="mono">{shortDigest(f.digest)}</Text></Group></Stack>,
    },
  ]
}

/** A vulnerability, with a link to what others say of it. */
function Cve({ finding }: { finding: Finding }) {
  const link = finding.links.find((l) => /^https?:\/\//i.test(l))
  return link ? <Anchor fw={560} href={link} target="_blank" rel="noopener noreferrer nofollow">{finding.cve_id}</Anchor> : <Text component="span" inherit fw={560}>{finding.cve_id}</Text>
}
