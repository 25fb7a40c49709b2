import { Tabs, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { FormModal } from '~/parts/FormModal'
import { Markdown } from '~/parts/Markdown'
import { describeRepository, repositoriesKey } from './queries'

interface Props {
  project: string
  repository: string
  description: string
  onClose: () => void
}

/** The dialog in which a repository is described. */
export default function EditDescription({ project, repository, description, onClose }: Props) {
  const { t } = useTranslation('repositories')
  const [text, setText] = useState(description)
  const queries = useQueryClient()
  const save = async () => {
    await describeRepository(project, repository, text)
    await queries.invalidateQueries({ queryKey: [...repositoriesKey, project] })
  }
  return (
    <FormModal title={t('description.title')} size="lg" onClose={onClose} verb={t('description.save')} onSubmit={save}>
      <Tabs defaultValue="write">
        <Tabs.List mb="sm"><Tabs.Tab value="write">{t('description.write')}</Tabs.Tab><Tabs.Tab value="preview">{t('description.preview')}</Tabs.Tab></Tabs.List>
        <Tabs.Panel value="write">
          <Textarea data-autofocus autosize minRows={8} maxRows={18} label={t('description.label')} description={t('description.hint')} value={text} onChange={(e) => setText(e.currentTarget.value)} />
        </Tabs.Panel>
        <Tabs.Panel value="preview" mih={200}><Markdown text={text} /></Tabs.Panel>
      </Tabs>
    </FormModal>
  )
}
