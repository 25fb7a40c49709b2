import { Badge, Button, NativeSelect, Text, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconFilterOff, IconHistory } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { type List, useList } from '~/parts/useList'
import { type Entry, logsList } from './queries'

const filters = ['user', 'operation', 'type', 'result', 'from', 'to'] as const
const operations = ['create', 'pull', 'update', 'delete'] as const
const types = ['artifact', 'tag', 'repository', 'project', 'member', 'robot', 'label', 'webhook', 'retention_policy', 'immutable_rule', 'trust', 'quota'] as const

export default function LogsTab() {
  const { t } = useTranslation('projectLogs')
  const { name } = useProject()
  const list = useList('-op_time')
  const query = useQuery(logsList(name, list))
  const columns: Column<Entry>[] = [
    { name: 'resource', title: t('resource'), cell: (e) => <div><span style={{ fontWeight: 560, overflowWrap: 'anywhere' }}>{e.resource}</span>{e.operation_description && <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>{e.operation_description}</Text>}</div> },
    { name: 'type', title: t('type.title'), cell: (e) => <KnownType type={e.resource_type} /> },
    { name: 'operation', title: t('operation.label'), cell: (e) => <Operation entry={e} /> },
    { name: 'user', title: t('user'), cell: (e) => <span style={{ overflowWrap: 'anywhere' }}>{e.username}</span> },
    { name: 'time', title: t('time'), sort: 'op_time', cell: (e) => <TimeAgo value={e.op_time} /> },
  ]
  const filtered = list.q !== '' || filters.some((f) => list.filter(f) !== '')
  const clear = filtered && <Button size="sm" variant="default" leftSection={<IconFilterOff size={15} />} onClick={() => list.set({ q: '', ...Object.fromEntries(filters.map((f) => [f, ''])) })}>{t('clear')}</Button>
  return (
    <DataTable
      label={t('title')}
      columns={columns}
      query={query}
      list={list}
      rowKey={(e) => e.id}
      toolbar={<><SearchField list={list} label={t('search')} /><Filters list={list} />{clear}</>}
      empty={<EmptyState icon={IconHistory} title={t(filtered ? 'empty.filtered' : 'empty.title')}>{t('empty.text')}</EmptyState>}
    />
  )
}

function Filters({ list }: { list: List }) {
  const { t } = useTranslation('projectLogs')
  return (
    <>
      <UserField key={list.filter('user') === '' ? 'empty' : 'filled'} list={list} />
      <NativeSelect size="sm" aria-label={t('operation.label')} value={list.filter('operation')} onChange={(e) => list.set({ operation: e.currentTarget.value })}
        data={[{ value: '', label: t('operation.all') }, ...operations.map((o) => ({ value: o, label: t(`operation.${o}`) }))]} />
      <NativeSelect size="sm" aria-label={t('type.title')} value={list.filter('type')} onChange={(e) => list.set({ type: e.currentTarget.value })}
        data={[{ value: '', label: t('type.all') }, ...types.map((o) => ({ value: o, label: t(`type.${o}`) }))]} />
      <NativeSelect size="sm" aria-label={t('result.label')} value={list.filter('result')} onChange={(e) => list.set({ result: e.currentTarget.value })}
        data={[{ value: '', label: t('result.all') }, { value: 'true', label: t('result.done') }, { value: 'false', label: t('result.failed') }]} />
      <TextInput size="sm" type="date" aria-label={t('from')} title={t('from')} value={list.filter('from')} max={list.filter('to')} onChange={(e) => list.set({ from: e.currentTarget.value })} />
      <TextInput size="sm" type="date" aria-label={t('to')} title={t('to')} value={list.filter('to')} min={list.filter('from')} onChange={(e) => list.set({ to: e.currentTarget.value })} />
    </>
  )
}

/** Filters by a part of a user's name, a moment after the last key. */
function UserField({ list }: { list: List }) {
  const { t } = useTranslation('projectLogs')
  const [text, setText] = useState(list.filter('user'))
  const ask = useDebouncedCallback((user: string) => list.set({ user }), 300)
  return (
    <TextInput size="sm" w={150} aria-label={t('byUser')} placeholder={t('byUser')} value={text}
      onChange={(e) => {
        setText(e.currentTarget.value)
        ask(e.currentTarget.value)
      }}
    />
  )
}

function KnownType({ type }: { type: string }) {
  const { t } = useTranslation('projectLogs')
  const known = types.find((k) => k === type)
  return known ? t(`type.${known}`) : type
}

const colors: Record<string, string> = { create: 'teal', delete: 'red', update: 'yellow', pull: 'tide' }

function Operation({ entry }: { entry: Entry }) {
  const { t } = useTranslation('projectLogs')
  const known = operations.find((k) => k === entry.operation)
  return (
    <>
      <Badge color={colors[entry.operation] ?? 'gray'}>{known ? t(`operation.${known}`) : entry.operation}</Badge>
      {!entry.operation_result && <Badge color="red" ml={6}>{t('result.failed')}</Badge>}
    </>
  )
}
