import { Button } from '@mantine/core'
import { IconCopyPlus, IconShieldSearch, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '~/api/client'
import type { May } from '~/api/session'
import { LabelPicker } from '~/pages/artifact/LabelPicker'
import { addLabel, type Label, type Place, startScan } from '~/pages/artifact/queries'
import { nameOf, useDeleteArtifacts } from '~/pages/artifact/useDeleteArtifacts'
import type { Project } from '~/pages/projects/queries'
import { useBatch } from '~/parts/Batch'
import { type Artifact, repositoriesKey } from './queries'

const CopyDialog = lazy(() => import('~/pages/artifact/CopyDialog'))

interface Props {
  project: Project
  repository: string
  artifacts: Artifact[] // that are selected
  may: May
  onDone: () => void
}

/** What can be done with several artifacts at once. */
export function SelectedActions({ project, repository, artifacts, may, onDone }: Props) {
  const { t } = useTranslation('repositories')
  const queries = useQueryClient()
  const batch = useBatch()
  const [copying, setCopying] = useState<Place[]>()
  const remove = useDeleteArtifacts(project.name, repository)
  const place = (a: Artifact) => ({ project: project.name, repository, reference: a.digest })
  const each = (title: string, done: string, act: (place: Place) => Promise<unknown>) =>
    batch({
      title, done,
      items: artifacts.map((a) => ({ name: nameOf(a), act: () => act(place(a)) })),
      after: () => queries.invalidateQueries({ queryKey: [...repositoriesKey, project.name] }),
    })
  const label = (l: Label) => each(t('addLabel'), t('labelled', { name: l.name, count: artifacts.length }), (a) => addLabel(a, l.id).catch(unlessThere))
  const scan = () => each(t('scanSelected'), t('scanned', { count: artifacts.length }), (a) => startScan(a, 'vulnerability'))
  return (
    <>
      {may('artifact-label', 'create') && <LabelPicker projectId={project.project_id} verb={t('addLabel')} onPick={label} />}
      {may('scan', 'create') && <Button size="compact-xs" variant="default" leftSection={<IconShieldSearch size={13} />} onClick={scan}>{t('scanSelected')}</Button>}
      <Button size="compact-xs" variant="default" leftSection={<IconCopyPlus size={13} />} onClick={() => setCopying(artifacts.map(place))}>{t('copySelected')}</Button>
      {may('artifact', 'delete') && <Button size="compact-xs" variant="default" c="red" leftSection={<IconTrash size={13} />} onClick={() => remove(artifacts, onDone)}>{t('deleteSelected')}</Button>}
      <Suspense>{copying && <CopyDialog places={copying} onClose={() => setCopying(undefined)} />}</Suspense>
    </>
  )
}

/** That one of several has the label already is as it should be. */
function unlessThere(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 409)) throw error
}
