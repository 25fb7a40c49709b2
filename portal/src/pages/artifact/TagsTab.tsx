import { ActionIcon, Badge, Button, TextInput, Tooltip } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconLock, IconPlus, IconTag, IconTrash } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { FormModal } from '~/parts/FormModal'
import { SearchField } from '~/parts/SearchField'
import { tellDone } from '~/parts/tell'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { addTag, deleteTag, type Tag, tagsOf } from './queries'
import { useArtifact } from './useArtifact'
import { validTag } from './tag'

export default function TagsTab() {
  const { t } = useTranslation('artifact')
  const { place, may } = useArtifact()
  const list = useList('-push_time')
  const query = useQuery(tagsOf(place, list))
  const remove = useDeleteTag()
  const [adding, dialog] = useDisclosure()
  const columns: Column<Tag>[] = [
    {
      name: 'name', title: t('tags.name'), sort: 'name',
      cell: (tag) => <><Badge color="tide" size="md" className="berth-badge">{tag.name}</Badge>{tag.immutable && <Badge ml={6} color="gray" leftSection={<IconLock size={12} />}>{t('tags.immutable')}</Badge>}</>,
    },
    { name: 'pushed', title: t('overview.pushed'), sort: 'push_time', cell: (tag) => <TimeAgo value={tag.push_time} /> },
    { name: 'pulled', title: t('overview.pulled'), sort: 'pull_time', cell: (tag) => <TimeAgo value={tag.pull_time} /> },
  ]
  if (may('tag', 'delete')) {
    columns.push({
      name: 'actions', title: '', width: 52, align: 'right',
      cell: (tag) => <Tooltip label={t('tags.delete')}><ActionIcon size="md" aria-label={t('tags.deleteOf', { name: tag.name })} onClick={() => remove(tag)}><IconTrash size={16} /></ActionIcon></Tooltip>,
    })
  }
  const add = may('tag', 'create') && <Button size="sm" leftSection={<IconPlus size={15} />} onClick={dialog.open}>{t('tags.add')}</Button>
  return (
    <>
      <DataTable
        label={t('tabs.tags')} columns={columns} query={query} list={list} rowKey={(tag) => tag.name}
        toolbar={<><SearchField list={list} label={t('tags.search')} />{query.data && query.data.items.length > 0 && add}</>}
        empty={<EmptyState icon={IconTag} title={t('tags.empty')} action={add}>{t('tags.emptyHint')}</EmptyState>}
      />
      {adding && <AddTag onClose={dialog.close} />}
    </>
  )
}

function AddTag({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('artifact')
  const { place, changed } = useArtifact()
  const [name, setName] = useState('')
  const add = async () => {
    await addTag(place, name)
    await changed()
    tellDone(t('tags.added', { name }))
  }
  return (
    <FormModal title={t('tags.addTitle')} onClose={onClose} verb={t('tags.addVerb')} disabled={!validTag(name)} onSubmit={add}>
      <TextInput
        data-autofocus label={t('tags.name')} description={t('tags.hint')} autoComplete="off" spellCheck={false} value={name} onChange={(e) => setName(e.currentTarget.value)}
        error={name !== '' && !validTag(name) ? t('tags.rule') : undefined}
      />
    </FormModal>
  )
}

function useDeleteTag() {
  const { t } = useTranslation('artifact')
  const { place, changed } = useArtifact()
  const confirm = useConfirm()
  return (tag: Tag) =>
    confirm({
      title: t('tags.deleteTitle', { name: tag.name }),
      loses: t('tags.deleteLoses'),
      verb: t('tags.deleteVerb'),
      action: async () => {
        await deleteTag(place, tag.name)
        await changed()
      },
      done: t('tags.deleted', { name: tag.name }),
    })
}
