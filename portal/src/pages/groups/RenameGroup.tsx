import { TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { groupsKey, renameGroup, type UserGroup } from './queries'

/** The dialog that gives a group another name here. */
export default function RenameGroup({ group, onClose }: { group: UserGroup; onClose: () => void }) {
  const { t } = useTranslation('groups')
  const queries = useQueryClient()
  const [name, setName] = useState(group.group_name)
  const rename = async () => {
    await renameGroup(group, name.trim())
    await queries.invalidateQueries({ queryKey: groupsKey })
    tellDone(t('rename.done', { name: name.trim() }))
  }
  return (
    <FormModal title={t('rename.title', { name: group.group_name })} onClose={onClose} verb={t('rename.verb')} disabled={!name.trim()} onSubmit={rename}>
      <TextInput data-autofocus label={t('name')} description={t('rename.hint')} maxLength={255} autoComplete="off" value={name} onChange={(e) => setName(e.currentTarget.value)} />
    </FormModal>
  )
}
