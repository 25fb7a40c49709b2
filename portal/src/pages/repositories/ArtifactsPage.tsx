import { ActionIcon, Button, Group, Menu, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconDots, IconPackageOff, IconPencil, IconTrash } from '@tabler/icons-react'
import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '~/api/client'
import { useRights } from '~/api/session'
import { projectNamed } from '~/pages/projects/queries'
import { Count } from '~/parts/Bytes'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { ButtonLink, TextLink } from '~/parts/links'
import { Markdown } from '~/parts/Markdown'
import { PageHeader } from '~/parts/PageHeader'
import { Panel } from '~/parts/Panel'
import { words } from '~/parts/tell'
import { TimeAgo } from '~/parts/TimeAgo'
import { ArtifactList } from './ArtifactList'
import { plainDescription, type Repository, repositoryNamed } from './queries'
import { artifactsRoute } from './route'
import { useDeleteRepositories } from './useDeleteRepositories'

const EditDescription = lazy(() => import('./EditDescription'))

/** A repository: what it is, and its artifacts. */
export default function ArtifactsPage() {
  const { t } = useTranslation('repositories')
  const { project: name, repository } = artifactsRoute.useParams()
  const { data: project } = useSuspenseQuery(projectNamed(name))
  const may = useRights(project.project_id)
  // Who is no member of a public project sees its artifacts, but not this.
  const about = useQuery({ ...repositoryNamed(name, repository), enabled: may('repository', 'read') })
  const [editing, dialog] = useDisclosure()
  // What was read before its last artifact went is no longer so.
  const gone = about.error instanceof ApiError && about.error.status === 404
  const known = gone ? undefined : about.data
  const description = plainDescription(known?.description ?? '')
  return (
    <>
      <PageHeader
        title={repository}
        above={[
          <TextLink key="projects" to="/projects">{t('projects')}</TextLink>,
          <TextLink key="project" to="/projects/$project/repositories" params={{ project: name }}>{name}</TextLink>,
        ]}
        description={known && <Numbers repository={known} />}
        actions={known && (may('repository', 'update') || may('repository', 'delete')) && (
          <Group gap="xs">
            {may('repository', 'update') && <Button variant="default" leftSection={<IconPencil size={15} />} onClick={dialog.open}>{t(description ? 'description.edit' : 'description.add')}</Button>}
            {may('repository', 'delete') && <MoreActions project={name} repository={known} />}
          </Group>
        )}
      />
      {gone ? (
        <Panel>
          <EmptyState icon={IconPackageOff} title={t('gone.title')} action={<ButtonLink to="/projects/$project/repositories" params={{ project: name }}>{t('gone.back')}</ButtonLink>}><div>{words(about.error)}</div>{t('gone.text')}</EmptyState>
        </Panel>
      ) : about.isError ? <ErrorState error={about.error} onRetry={() => void about.refetch()} /> : (
        <>
          {description && <div style={{ marginBottom: 16 }}><Panel title={t('description.title')}><Markdown text={description} /></Panel></div>}
          <ArtifactList project={project} repository={repository} may={may} />
        </>
      )}
      <Suspense>{editing && <EditDescription project={name} repository={repository} description={description} onClose={dialog.close} />}</Suspense>
    </>
  )
}

function Numbers({ repository: r }: { repository: Repository }) {
  const { t } = useTranslation('repositories')
  return (
    <Text component="span" inherit>
      <Count value={r.artifact_count} /> {t('unit.artifacts', { count: r.artifact_count })} · <Count value={r.pull_count} /> {t('unit.pulls', { count: r.pull_count })} · {t('created')} <TimeAgo value={r.creation_time} />
    </Text>
  )
}

function MoreActions({ project, repository }: { project: string; repository: Repository }) {
  const { t } = useTranslation('repositories')
  const navigate = useNavigate()
  const remove = useDeleteRepositories(project)
  return (
    <Menu>
      <Menu.Target><ActionIcon variant="default" aria-label={t('actionsOf', { name: repository.name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => remove([repository], () => navigate({ to: '/projects/$project/repositories', params: { project } }))}>{t('delete.verb', { count: 1 })}…</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
