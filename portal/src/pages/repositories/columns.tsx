import { Badge, Group, Stack, Text } from '@mantine/core'
import { IconListDetails, IconShieldCheck } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { Bytes } from '~/parts/Bytes'
import { Copy } from '~/parts/CopyCommand'
import type { Column } from '~/parts/DataTable'
import { registryHost } from '~/parts/host'
import { LabelMark } from '~/parts/LabelMark'
import { TextLink } from '~/parts/links'
import { shortDigest } from '~/parts/names'
import { SeverityBar } from '~/parts/SeverityBar'
import { goesOn, StatusBadge } from '~/parts/StatusBadge'
import { TimeAgo } from '~/parts/TimeAgo'
import { PullMenu } from './PullMenu'
import type { Artifact } from './queries'

/** The columns of a list of a repository's artifacts. */
export function useColumns(project: string, repository: string): Column<Artifact>[] {
  const { t } = useTranslation('repositories')
  const host = registryHost(useSystemInfo().registry_url)
  return [
    { name: 'artifact', title: t('artifact'), cell: (a) => <Name artifact={a} place={{ project, repository }} /> },
    { name: 'type', title: t('type'), sort: 'type', cell: (a) => <Badge color="gray">{a.type}</Badge> },
    { name: 'platforms', title: t('platforms'), cell: (a) => <Platforms artifact={a} /> },
    { name: 'size', title: t('size'), sort: 'size', align: 'right', cell: (a) => <Bytes value={a.size} /> },
    { name: 'vulnerabilities', title: t('vulnerabilities'), cell: (a) => <Vulnerabilities artifact={a} /> },
    { name: 'pushed', title: t('pushed'), sort: 'push_time', cell: (a) => <TimeAgo value={a.push_time} /> },
    { name: 'pulled', title: t('pulled'), sort: 'pull_time', cell: (a) => <TimeAgo value={a.pull_time} /> },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (a) => <PullMenu type={a.type} repository={`${host}/${project}/${repository}`} reference={a.tags?.[0]?.name ?? a.digest} /> },
  ]
}

const shownTags = 4
const shownLabels = 3

interface NameProps {
  artifact: Artifact
  place: { project: string; repository: string }
}

/** An artifact by its tags and its digest, which lead to it, whether it is signed and has an SBOM, and its labels. */
function Name({ artifact, place }: NameProps) {
  const { t } = useTranslation('repositories')
  const tags = artifact.tags ?? []
  const labels = artifact.labels ?? []
  const types = (artifact.accessories ?? []).map((a) => a.type)
  const attached = (['signed', 'sbom'] as const).filter((what) => types.some((type) => type.startsWith(what === 'signed' ? 'signature.' : 'sbom.')))
  const to = '/projects/$project/repositories/$repository/artifacts/$reference'
  return (
    <Stack gap={2}>
      <Group gap={6}>
        {tags.length === 0 && <Text component="span" c="dimmed" inherit>{t('untagged')}</Text>}
        {tags.slice(0, shownTags).map((tag) => (
          <TextLink key={tag.id} to={to} params={{ ...place, reference: tag.name }} underline="never"><Badge color="tide" size="md" className="berth-badge" style={{ cursor: 'pointer' }}>{tag.name}</Badge></TextLink>
        ))}
        {tags.length > shownTags && <Text component="span" size="sm" c="dimmed">{t('moreTags', { count: tags.length - shownTags })}</Text>}
      </Group>
      <Group gap={2} wrap="nowrap"><TextLink className="mono" c="dimmed" to={to} params={{ ...place, reference: artifact.digest }} title={artifact.digest}>{shortDigest(artifact.digest)}</TextLink><Copy text={artifact.digest} label={t('copyDigest')} size="sm" /></Group>
      {(labels.length > 0 || attached.length > 0) && (
        <Group gap={4}>
          {attached.map((what) => <Badge key={what} color="teal" leftSection={what === 'signed' ? <IconShieldCheck size={12} /> : <IconListDetails size={12} />}>{t(what)}</Badge>)}
          {labels.slice(0, shownLabels).map((l) => <LabelMark key={l.id} name={l.name} color={l.color} description={l.description} />)}
          {labels.length > shownLabels && <Text component="span" size="sm" c="dimmed">{t('moreTags', { count: labels.length - shownLabels })}</Text>}
        </Group>
      )}
    </Stack>
  )
}

/** What an image runs on: an index says so of its parts, a single image of itself. */
function Platforms({ artifact }: { artifact: Artifact }) {
  const of = (artifact.references ?? []).map((r) => r.platform).filter((p) => p !== undefined && p.os !== 'unknown')
  const names = of.map((p) => [p?.os, p?.architecture, p?.variant].filter(Boolean).join('/'))
  const { os, architecture } = artifact.extra_attrs
  if (names.length === 0 && typeof os === 'string' && os) names.push(typeof architecture === 'string' && architecture ? `${os}/${architecture}` : os)
  return names.length > 0 ? names.join(', ') : <Text component="span" c="dimmed" inherit>–</Text>
}

function Vulnerabilities({ artifact }: { artifact: Artifact }) {
  const run = Object.values(artifact.scan_overview ?? {})[0]
  if (run && goesOn([run.scan_status])) return <StatusBadge status={run.scan_status} />
  if (run?.summary) return <SeverityBar counts={run.summary.summary} />
  return run ? <StatusBadge status={run.scan_status} /> : <Text component="span" c="dimmed" inherit>–</Text>
}
