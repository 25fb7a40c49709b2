import { Select, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { FormModal } from '~/parts/FormModal'
import { exportsKey, projectsNamed, startExport } from './queries'

const filters = ['repositories', 'tags', 'cveIds'] as const

/** The dialog that asks for a table of a project's findings. */
export default function ExportDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('security')
  const queries = useQueryClient()
  const [text, setText] = useState('')
  const [asked] = useDebouncedValue(text, 250)
  const { data: projects = [] } = useQuery(projectsNamed(asked))
  const form = useForm({ initialValues: { project: '', repositories: '', tags: '', cveIds: '' } })
  const start = async () => {
    const { project, ...rest } = form.values
    // The API takes no spaces between them.
    const plain = Object.fromEntries(filters.map((f) => [f, rest[f].split(',').map((p) => p.trim()).filter(Boolean).join(',')]))
    await startExport({ job_name: '', labels: [], repositories: '', tags: '', cveIds: '', ...plain, projects: [Number(project)] })
    await queries.invalidateQueries({ queryKey: exportsKey })
  }
  return (
    <FormModal title={t('exports.new')} verb={t('exports.start')} disabled={!form.values.project} onSubmit={start} onClose={onClose}>
      <Select
        data-autofocus label={t('exports.project')} placeholder={t('exports.projectHint')} searchable withAsterisk={false} nothingFoundMessage={t('exports.noProject')} searchValue={text} onSearchChange={setText}
        data={projects.map((p) => ({ value: String(p.project_id), label: p.name }))} filter={({ options }) => options} {...form.getInputProps('project')}
      />
      {filters.map((f) => <TextInput key={f} label={t(`exports.field.${f}`)} description={t(`exports.hint.${f}`)} autoComplete="off" spellCheck={false} {...form.getInputProps(f)} />)}
    </FormModal>
  )
}
