import { ActionIcon, Badge, Button, Group, Stack, Text, Tooltip } from '@mantine/core'
import { IconCertificate, IconEye, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { PolicyNav } from '~/pages/policy/PolicyNav'
import { useProject } from '~/pages/project/useProject'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { kindOf } from './kinds'
import { deleteTrust, type Trust, trustKey, trustList } from './queries'

const TrustForm = lazy(() => import('./TrustForm'))

export default function TrustTab() {
  const { t } = useTranslation('trust')
  const { name, may } = useProject()
  const list = useList('name')
  const query = useQuery(trustList(name, list))
  const [shown, setShown] = useState<Trust | 'new'>()
  const remove = useRemove(name)
  const mayChange = may('metadata', 'update')
  const columns: Column<Trust>[] = [
    { name: 'name', title: t('name'), sort: 'name', cell: (e) => <div><span style={{ fontWeight: 560 }}>{e.name}</span>{e.description && <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>{e.description}</Text>}</div> },
    { name: 'kind', title: t('kind.label'), sort: 'kind', cell: (e) => <Badge color="tide">{t(`kind.${kindOf(e.kind).name}`)}</Badge> },
    { name: 'identities', title: t('identities'), cell: (e) => <Identities entry={e} /> },
    { name: 'updated', title: t('updated'), sort: 'update_time', cell: (e) => <TimeAgo value={e.update_time} /> },
    {
      name: 'actions', title: '', width: 90, align: 'right',
      cell: (e) => (
        <Group gap={4} wrap="nowrap" justify="flex-end">
          <Tooltip label={t(mayChange ? 'edit.open' : 'show.open')}><ActionIcon size="md" aria-label={t(mayChange ? 'edit.of' : 'show.of', { name: e.name })} onClick={() => setShown(e)}>{mayChange ? <IconPencil size={16} /> : <IconEye size={16} />}</ActionIcon></Tooltip>
          {may('metadata', 'delete') && <Tooltip label={t('delete.open')}><ActionIcon size="md" aria-label={t('delete.of', { name: e.name })} onClick={() => remove(e)}><IconTrash size={16} /></ActionIcon></Tooltip>}
        </Group>
      ),
    },
  ]
  const create = may('metadata', 'create') && <Button leftSection={<IconPlus size={16} />} onClick={() => setShown('new')}>{t('create.open')}</Button>
  return (
    <>
      <PolicyNav shown="trust" />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(e) => e.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        actions={create}
        empty={<EmptyState icon={IconCertificate} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>{shown && <TrustForm project={name} entry={shown === 'new' ? undefined : shown} readOnly={!mayChange} onClose={() => setShown(undefined)} />}</Suspense>
    </>
  )
}

function Identities({ entry }: { entry: Trust }) {
  const { t } = useTranslation('trust')
  if (!entry.identities?.length) return <Text inherit c="dimmed">{t('anybody')}</Text>
  return (
    <Stack gap={2}>
      {entry.identities.map(({ issuer, subject }, i) => <span key={i} style={{ overflowWrap: 'anywhere' }}>{subject}{issuer && <Text component="span" size="sm" c="dimmed"> · {issuer}</Text>}</span>)}
    </Stack>
  )
}

function useRemove(project: string) {
  const { t } = useTranslation('trust')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (entry: Trust) =>
    confirm({
      title: t('delete.title', { name: entry.name }),
      loses: t('delete.loses'),
      verb: t('delete.verb'),
      action: async () => {
        await deleteTrust(project, entry.id)
        await queries.invalidateQueries({ queryKey: trustKey })
      },
      done: t('delete.done', { name: entry.name }),
    })
}
