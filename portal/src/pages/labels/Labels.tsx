import { ActionIcon, Button, Group, Text, Tooltip } from '@mantine/core'
import { IconPencil, IconPlus, IconTag, IconTrash } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { LabelMark } from '~/parts/LabelMark'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { deleteLabel, type Label, labelsKey, labelsList, type Scope } from './queries'

const LabelForm = lazy(() => import('./LabelForm'))

interface Props {
  scope: Scope
  may: { create: boolean; update: boolean; delete: boolean }
}

/** The labels of all projects, or of one, with what is done to them. Its page's route takes listSearch(). */
export function Labels({ scope, may }: Props) {
  const { t } = useTranslation('labels')
  const list = useList('name')
  const query = useQuery(labelsList(scope, list))
  const [edited, setEdited] = useState<Label | 'new'>()
  const remove = useRemove()
  const columns: Column<Label>[] = [
    { name: 'name', title: t('name'), sort: 'name', cell: (l) => <LabelMark name={l.name} color={l.color} /> },
    { name: 'description', title: t('description'), cell: (l) => (l.description ? <Text inherit style={{ overflowWrap: 'anywhere' }}>{l.description}</Text> : <Text inherit c="dimmed">–</Text>) },
    { name: 'created', title: t('created'), sort: 'creation_time', cell: (l) => <TimeAgo value={l.creation_time} /> },
  ]
  if (may.update || may.delete) {
    columns.push({
      name: 'actions', title: '', width: 90, align: 'right',
      cell: (l) => (
        <Group gap={4} wrap="nowrap" justify="flex-end">
          {may.update && <Tooltip label={t('edit.open')}><ActionIcon size="md" aria-label={t('edit.of', { name: l.name })} onClick={() => setEdited(l)}><IconPencil size={16} /></ActionIcon></Tooltip>}
          {may.delete && <Tooltip label={t('delete.open')}><ActionIcon size="md" aria-label={t('delete.of', { name: l.name })} onClick={() => remove(l)}><IconTrash size={16} /></ActionIcon></Tooltip>}
        </Group>
      ),
    })
  }
  const create = may.create && <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('create.open')}</Button>
  return (
    <>
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(l) => l.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        actions={create}
        empty={<EmptyState icon={IconTag} title={t('empty.title')} action={create}>{t(scope.scope === 'g' ? 'empty.everywhere' : 'empty.project')}</EmptyState>}
      />
      <Suspense>{edited && <LabelForm scope={scope} label={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}</Suspense>
    </>
  )
}

function useRemove() {
  const { t } = useTranslation('labels')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (label: Label) =>
    confirm({
      title: t('delete.title', { name: label.name }),
      loses: t('delete.loses'),
      verb: t('delete.verb'),
      action: async () => {
        await deleteLabel(label.id)
        await queries.invalidateQueries({ queryKey: labelsKey })
      },
      done: t('delete.done', { name: label.name }),
    })
}
