import { ActionIcon, Badge, Group, Menu, Text } from '@mantine/core'
import { IconCopyPlus, IconDots, IconTrash } from '@tabler/icons-react'
import { Outlet, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { PullMenu } from '~/pages/repositories/PullMenu'
import { Bytes } from '~/parts/Bytes'
import { Copy } from '~/parts/CopyCommand'
import { registryHost } from '~/parts/host'
import { TextLink } from '~/parts/links'
import { shortDigest } from '~/parts/names'
import { PageHeader } from '~/parts/PageHeader'
import { PageTabs } from '~/parts/PageTabs'
import { TimeAgo } from '~/parts/TimeAgo'
import { Labels } from './Labels'
import { tabs } from './tabs'
import { useArtifact } from './useArtifact'
import { useDeleteArtifacts } from './useDeleteArtifacts'

const CopyDialog = lazy(() => import('./CopyDialog'))
const shownTags = 6

export default function ArtifactPage() {
  const { t } = useTranslation('artifact')
  const { artifact, params, may } = useArtifact()
  const { project, repository } = params
  const tags = artifact.tags ?? []
  const title = tags[0] && !params.reference.includes(':') ? params.reference : (tags[0]?.name ?? shortDigest(artifact.digest))
  return (
    <>
      <PageHeader
        title={title}
        mark={<Badge color="gray">{artifact.type}</Badge>}
        above={[
          <TextLink key="projects" to="/projects">{t('projects')}</TextLink>,
          <TextLink key="project" to="/projects/$project/repositories" params={{ project }}>{project}</TextLink>,
          <TextLink key="repository" to="/projects/$project/repositories/$repository" params={{ project, repository }}>{repository}</TextLink>,
        ]}
        description={<Description />}
        actions={<Actions />}
      />
      <Labels artifact={artifact} may={may} />
      <PageTabs
        many
        label={t('tabs.label')}
        params={params}
        tabs={tabs.filter((tab) => !('shown' in tab) || tab.shown(artifact)).map(({ name, to, icon }) => ({
          to, icon, label: name === 'content' ? t(artifact.type === 'CHART' ? 'tabs.chart' : 'tabs.content') : t(`tabs.${name}`), exact: name === 'overview',
        }))}
      />
      <Outlet />
    </>
  )
}

/** What identifies the artifact, in a line or two. */
function Description() {
  const { t } = useTranslation('artifact')
  const { artifact } = useArtifact()
  const tags = artifact.tags ?? []
  return (
    <Group gap="4px 12px">
      {tags.slice(0, shownTags).map((tag) => <Badge key={tag.id} color="tide" size="md" className="berth-badge">{tag.name}</Badge>)}
      {tags.length > shownTags && <Text component="span" size="sm">{t('moreTags', { count: tags.length - shownTags })}</Text>}
      {tags.length === 0 && <Text component="span" inherit>{t('untagged')}</Text>}
      <Group gap={2} wrap="nowrap"><span className="mono" title={artifact.digest}>{artifact.digest.slice(0, 19)}…</span><Copy text={artifact.digest} label={t('copyDigest')} size="sm" /></Group>
      <span><Bytes value={artifact.size} /></span>
      <span>{t('pushed')} <TimeAgo value={artifact.push_time} /></span>
      <span>{t('pulled')} <TimeAgo value={artifact.pull_time} /></span>
    </Group>
  )
}

function Actions() {
  const { t } = useTranslation('artifact')
  const { artifact, params, place, may } = useArtifact()
  const host = registryHost(useSystemInfo().registry_url)
  const [copying, setCopying] = useState(false)
  const navigate = useNavigate()
  const tag = artifact.tags?.find(({ name }) => name === params.reference) ?? artifact.tags?.[0]
  const remove = useDeleteArtifacts(params.project, params.repository)
  const gone = () => navigate({ to: '/projects/$project/repositories/$repository', params })
  return (
    <>
      <PullMenu type={artifact.type} repository={`${host}/${params.project}/${params.repository}`} reference={tag?.name ?? artifact.digest} labelled />
      {(may('artifact', 'delete') || may('repository', 'pull')) && (
        <Menu>
          <Menu.Target><ActionIcon variant="default" aria-label={t('actions')}><IconDots size={17} /></ActionIcon></Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconCopyPlus size={16} />} onClick={() => setCopying(true)}>{t('copy.open')}</Menu.Item>
            {may('artifact', 'delete') && <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => remove([artifact], gone)}>{t('delete.open')}</Menu.Item>}
          </Menu.Dropdown>
        </Menu>
      )}
      <Suspense>{copying && <CopyDialog places={[place]} onClose={() => setCopying(false)} />}</Suspense>
    </>
  )
}
