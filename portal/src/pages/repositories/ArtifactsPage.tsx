import { Badge, Group, SegmentedControl, Stack, Text } from '@mantine/core'
import { IconTag } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { Bytes, Count } from '~/parts/Bytes'
import { Copy } from '~/parts/CopyCommand'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { registryHost } from '~/parts/host'
import { TextLink } from '~/parts/links'
import { shortDigest } from '~/parts/names'
import { PageHeader } from '~/parts/PageHeader'
import { PushCommands } from '~/parts/PushCommands'
import { SearchField } from '~/parts/SearchField'
import { SeverityBar } from '~/parts/SeverityBar'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { PullMenu } from './PullMenu'
import { type Artifact, artifactsList, repositoryNamed } from './queries'
import { artifactsRoute } from './route'

export default function ArtifactsPage() {
  const { t } = useTranslation('repositories')
  const { project, repository } = artifactsRoute.useParams()
  const about = useQuery(repositoryNamed(project, repository))
  const list = useList('-push_time')
  const query = useQuery(artifactsList(project, repository, list))
  const columns = useColumns(project, repository)
  const above = [
    <TextLink key="projects" to="/projects">{t('projects')}</TextLink>,
    <TextLink key="project" to="/projects/$project/repositories" params={{ project }}>{project}</TextLink>,
  ]
  return (
    <>
      <PageHeader
        title={repository}
        above={above}
        description={about.data && <Text component="span" inherit><Count value={about.data.artifact_count} /> {t('unit.artifacts', { count: about.data.artifact_count })} · <Count value={about.data.pull_count} /> {t('unit.pulls', { count: about.data.pull_count })}</Text>}
      />
      {about.isError ? <ErrorState error={about.error} onRetry={() => void about.refetch()} /> : (
        <DataTable
          label={t('artifactsOf', { name: repository })}
          columns={columns}
          query={query}
          list={list}
          rowKey={(a) => a.digest}
          toolbar={
            <>
              <SearchField list={list} label={t('searchTags')} />
              <SegmentedControl
                size="sm" aria-label={t('tags.label')} value={list.filter('tags')} onChange={(tags) => list.set({ tags, q: '' })}
                data={[{ value: '', label: t('tags.all') }, { value: 'some', label: t('tags.some') }, { value: 'none', label: t('tags.none') }]}
              />
            </>
          }
          empty={<EmptyState icon={IconTag} title={t('empty.artifacts')}>{t('empty.push')}<div style={{ marginTop: 18 }}><PushCommands project={project} /></div></EmptyState>}
        />
      )}
    </>
  )
}

function useColumns(project: string, repository: string): Column<Artifact>[] {
  const { t } = useTranslation('repositories')
  const host = registryHost(useSystemInfo().registry_url)
  return [
    { name: 'artifact', title: t('artifact'), cell: (a) => <Name artifact={a} /> },
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

/** An artifact by its tags and its digest. */
function Name({ artifact }: { artifact: Artifact }) {
  const { t } = useTranslation('repositories')
  const tags = artifact.tags ?? []
  return (
    <Stack gap={2}>
      <Group gap={6}>
        {tags.length === 0 && <Text component="span" c="dimmed" inherit>{t('untagged')}</Text>}
        {tags.slice(0, shownTags).map((tag) => <Badge key={tag.id} color="tide" size="md" className="berth-badge">{tag.name}</Badge>)}
        {tags.length > shownTags && <Text component="span" size="sm" c="dimmed">{t('moreTags', { count: tags.length - shownTags })}</Text>}
      </Group>
      <Group gap={2} wrap="nowrap"><Text component="span" className="mono" c="dimmed" title={artifact.digest}>{shortDigest(artifact.digest)}</Text><Copy text={artifact.digest} label={t('copyDigest')} size="sm" /></Group>
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
  const summary = Object.values(artifact.scan_overview ?? {})[0]?.summary
  return summary ? <SeverityBar counts={summary.summary} /> : <Text component="span" c="dimmed" inherit>–</Text>
}
