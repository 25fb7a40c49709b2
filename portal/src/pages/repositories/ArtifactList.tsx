import { CloseButton, Group, SegmentedControl } from '@mantine/core'
import { IconTag } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { May } from '~/api/session'
import { LabelPicker } from '~/pages/artifact/LabelPicker'
import { labelOf } from '~/pages/artifact/queries'
import type { Project } from '~/pages/projects/queries'
import { DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { LabelMark } from '~/parts/LabelMark'
import { PushCommands } from '~/parts/PushCommands'
import { SearchField } from '~/parts/SearchField'
import { type List, useList } from '~/parts/useList'
import { useColumns } from './columns'
import { artifactsList } from './queries'
import { SelectedActions } from './SelectedActions'

interface Props {
  project: Project
  repository: string
  may: May
}

/** The artifacts of a repository. */
export function ArtifactList({ project, repository, may }: Props) {
  const { t } = useTranslation('repositories')
  const list = useList('-push_time')
  const query = useQuery(artifactsList(project.name, repository, list))
  const columns = useColumns(project.name, repository)
  const [keys, setKeys] = useState(new Set<string>())
  const selected = (query.data?.items ?? []).filter((a) => keys.has(a.digest))
  return (
    <DataTable
      label={t('artifactsOf', { name: repository })}
      columns={columns}
      query={query}
      list={list}
      rowKey={(a) => a.digest}
      selection={may('artifact', 'list') ? { keys, set: setKeys, actions: <SelectedActions project={project} repository={repository} artifacts={selected} may={may} onDone={() => setKeys(new Set())} /> } : undefined}
      toolbar={
        <>
          <SearchField list={list} label={t('searchTags')} />
          <SegmentedControl
            size="sm" aria-label={t('tags.label')} value={list.q ? 'some' : list.filter('tags')} onChange={(tags) => list.set({ tags, q: '' })}
            data={[{ value: '', label: t('tags.all') }, { value: 'some', label: t('tags.some') }, { value: 'none', label: t('tags.none') }]}
          />
          {may('label', 'list') && <LabelFilter projectId={project.project_id} list={list} />}
        </>
      }
      empty={<EmptyState icon={IconTag} title={t('empty.artifacts')}>{t('empty.push')}<div style={{ marginTop: 18 }}><PushCommands project={project.name} /></div></EmptyState>}
    />
  )
}

/** Shows only what has a label. */
function LabelFilter({ projectId, list }: { projectId: number; list: List }) {
  const { t } = useTranslation('repositories')
  const id = list.filter('label')
  const { data: label } = useQuery({ ...labelOf(Number(id)), enabled: id !== '' })
  if (!id) return <LabelPicker size="sm" projectId={projectId} verb={t('labelFilter.open')} onPick={(l) => list.set({ label: l.id })} />
  return (
    <Group gap={6}>
      <LabelMark name={label?.name ?? id} color={label?.color ?? ''} />
      <CloseButton size="sm" aria-label={t('labelFilter.remove')} onClick={() => list.set({ label: '' })} />
    </Group>
  )
}
