import { ActionIcon, Group } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { May } from '~/api/session'
import type { Artifact } from '~/pages/repositories/queries'
import { LabelMark } from '~/parts/LabelMark'
import { tellFailure } from '~/parts/tell'
import { LabelPicker } from './LabelPicker'
import { addLabel, removeLabel } from './queries'
import { useArtifact } from './useArtifact'
import classes from './artifact.module.css'

/** The artifact's labels, and the means to change them. */
export function Labels({ artifact, may }: { artifact: Artifact; may: May }) {
  const { t } = useTranslation('artifact')
  const { place, changed, project } = useArtifact()
  const labels = artifact.labels ?? []
  const mayAdd = may('artifact-label', 'create')
  const change = async (done: Promise<unknown>) => {
    try {
      await done
    } catch (error) {
      tellFailure(error)
    }
    await changed()
  }
  if (labels.length === 0 && !mayAdd) return null
  return (
    <Group gap={6} className={classes.labels} role="group" aria-label={t('labels.label')}>
      {labels.map((l) => (
        <LabelMark key={l.id} {...l}>
          {may('artifact-label', 'delete') && (
            <ActionIcon size={24} radius="xl" mr={-6} aria-label={t('labels.remove', { name: l.name })} onClick={() => void change(removeLabel(place, l.id))}><IconX size={12} /></ActionIcon>
          )}
        </LabelMark>
      ))}
      {mayAdd && <LabelPicker projectId={project.project_id} without={labels} onPick={(l) => void change(addLabel(place, l.id))} verb={t('labels.add')} />}
    </Group>
  )
}
