import { CloseButton, Group, Input, Select, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { LabelPicker } from '~/pages/artifact/LabelPicker'
import type { Label } from '~/pages/artifact/queries'
import type { Project } from '~/pages/projects/queries'
import { FormModal } from '~/parts/FormModal'
import { LabelMark } from '~/parts/LabelMark'
import { exportsKey, projectsNamed, startExport } from './queries'

const filters = ['repositories', 'tags', 'cveIds'] as const

/** The dialog that asks for a table of a project's findings. */
export default function ExportDialog({ project: first, onClose }: { project?: Project; onClose: () => void }) {
  const { t } = useTranslation('security')
  const queries = useQueryClient()
  const [text, setText] = useState(first?.name ?? '')
  const [asked] = useDebouncedValue(text, 250)
  const { data: projects = [] } = useQuery(projectsNamed(asked))
  const form = useForm({ initialValues: { project: first ? String(first.project_id) : '', repositories: '', tags: '', cveIds: '' } })
  const [labels, setLabels] = useState<Label[]>([])
  const id = form.values.project
  const offered = first && !projects.some((p) => p.project_id === first.project_id) ? [first, ...projects] : projects
  const start = async () => {
    const { project, ...rest } = form.values
    // The API takes no spaces between them.
    const plain = Object.fromEntries(filters.map((f) => [f, rest[f].split(',').map((p) => p.trim()).filter(Boolean).join(',')]))
    await startExport({ job_name: '', labels: labels.map((l) => l.id), repositories: '', tags: '', cveIds: '', ...plain, projects: [Number(project)] })
    await queries.invalidateQueries({ queryKey: exportsKey })
  }
  return (
    <FormModal title={t('exports.new')} verb={t('exports.start')} disabled={!id} onSubmit={start} onClose={onClose}>
      <Select
        data-autofocus openOnFocus={false} label={t('exports.project')} placeholder={t('exports.projectHint')} searchable withAsterisk={false} nothingFoundMessage={t('exports.noProject')} searchValue={text} onSearchChange={setText}
        data={offered.map((p) => ({ value: String(p.project_id), label: p.name }))} filter={({ options }) => options} {...form.getInputProps('project')}
      />
      {filters.map((f) => <TextInput key={f} label={t(`exports.field.${f}`)} description={t(`exports.hint.${f}`)} autoComplete="off" spellCheck={false} {...form.getInputProps(f)} />)}
      {id && (
        <Input.Wrapper label={t('exports.field.labels')} description={t('exports.hint.labels')}>
          <Group gap={6} mt={6}>
            {labels.map((l) => <LabelMark key={l.id} {...l}><CloseButton size="xs" aria-label={t('exports.without', { name: l.name })} onClick={() => setLabels(labels.filter((o) => o.id !== l.id))} /></LabelMark>)}
            <LabelPicker projectId={Number(id)} without={labels} verb={t('exports.addLabel')} onPick={(l) => setLabels([...labels, l])} />
          </Group>
        </Input.Wrapper>
      )}
    </FormModal>
  )
}
