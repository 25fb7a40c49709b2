import { ActionIcon, Button, Menu, SegmentedControl, Text } from '@mantine/core'
import { IconDots, IconPencil, IconPlugConnected, IconPlus, IconServer2, IconTrash } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { PageHeader } from '~/parts/PageHeader'
import { SearchField } from '~/parts/SearchField'
import { tellDone, tellFailure } from '~/parts/tell'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { Health } from './Health'
import { deleteRegistry, registriesKey, registriesList, type Registry, tryRegistry } from './queries'
import { useTypeName } from './useTypeName'

const RegistryForm = lazy(() => import('./RegistryForm'))

export default function RegistriesPage() {
  const { t } = useTranslation('registries')
  const list = useList('name')
  const query = useQuery(registriesList(list))
  const [edited, setEdited] = useState<Registry | 'new'>()
  const columns = useColumns(setEdited)
  const create = <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('create.open')}</Button>
  return (
    <>
      <PageHeader title={t('title')} description={t('pageDescription')} actions={create} />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(r) => r.id}
        toolbar={
          <>
            <SearchField list={list} label={t('search')} />
            <SegmentedControl size="sm" aria-label={t('status')} value={list.filter('status')} onChange={(status) => list.set({ status })}
              data={[{ value: '', label: t('all') }, { value: 'healthy', label: t('healthy') }, { value: 'unhealthy', label: t('unhealthy') }]} />
          </>
        }
        empty={<EmptyState icon={IconServer2} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>{edited && <RegistryForm registry={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}</Suspense>
    </>
  )
}

function useColumns(onEdit: (registry: Registry) => void): Column<Registry>[] {
  const { t } = useTranslation('registries')
  const typeName = useTypeName()
  return [
    {
      name: 'name', title: t('name'), sort: 'name',
      cell: (r) => <div style={{ overflowWrap: 'anywhere' }}><Text component="span" inherit fw={560}>{r.name}</Text>{r.description && <Text size="sm" c="dimmed">{r.description}</Text>}</div>,
    },
    { name: 'status', title: t('status'), sort: 'status', cell: (r) => <Health registry={r} /> },
    { name: 'type', title: t('type.label'), sort: 'type', cell: (r) => typeName(r.type) },
    { name: 'url', title: t('url'), sort: 'url', cell: (r) => <span style={{ overflowWrap: 'anywhere' }}>{r.url}</span> },
    { name: 'account', title: t('account'), cell: (r) => r.credential?.access_key ?? <Text component="span" inherit c="dimmed">{t('nobody')}</Text> },
    { name: 'pulls', title: t('pulls'), align: 'right', cell: (r) => (r.rate_limit ? t('pullsLeft', { remaining: r.rate_limit.remaining, limit: r.rate_limit.limit }) : '–') },
    { name: 'created', title: t('created'), sort: 'creation_time', cell: (r) => <TimeAgo value={r.creation_time} /> },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (r) => <Actions registry={r} onEdit={() => onEdit(r)} /> },
  ]
}

function Actions({ registry, onEdit }: { registry: Registry; onEdit: () => void }) {
  const { t } = useTranslation('registries')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const forget = () => queries.invalidateQueries({ queryKey: registriesKey })
  const { name } = registry
  const tried = () => tryRegistry({ id: registry.id }).then(() => tellDone(t('try.reached', { name })), tellFailure).then(forget)
  const remove = () =>
    confirm({
      title: t('delete.title', { name }), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done', { name }),
      action: () => deleteRegistry(registry.id).then(forget),
    })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('edit.open')}</Menu.Item>
        <Menu.Item leftSection={<IconPlugConnected size={16} />} onClick={() => void tried()}>{t('try.open')}</Menu.Item>
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
