import { Badge, Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { IconFilterOff, IconHistory } from '@tabler/icons-react'
import type { UseQueryResult } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { Page } from '~/api/client'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { FilterField } from '~/parts/FilterField'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import type { List } from '~/parts/useList'
import { type Entry, type Kinds, system } from './queries'

interface Props {
  list: List
  query: UseQueryResult<Page<Entry>>
  kinds: Kinds // that one can filter by
}

/** An audit log, of the system or of a project. */
export function AuditTable({ list, query, kinds }: Props) {
  const { t } = useTranslation('audit')
  return (
    <DataTable
      label={t('title')} columns={useColumns()} query={query} list={list} rowKey={(e) => e.id} toolbar={<Filters list={list} kinds={kinds} />}
      empty={<EmptyState icon={IconHistory} title={t('empty')}>{t('emptyNext')}</EmptyState>}
    />
  )
}

function Filters({ list, kinds }: { list: List; kinds: Kinds }) {
  const { t } = useTranslation('audit')
  const { t: say } = useTranslation('parts')
  const choice = (name: string, label: string, options: { value: string; label: string }[]) => (
    <NativeSelect size="sm" aria-label={label} value={list.filter(name)} data={[{ value: '', label }, ...options]} onChange={(e) => list.set({ [name]: e.currentTarget.value })} />
  )
  const date = (name: string, label: string) => (
    <Group gap={6} wrap="nowrap">
      <Text component="label" htmlFor={`audit-${name}`} size="sm" c="dimmed">{label}</Text>
      <TextInput id={`audit-${name}`} type="date" size="sm" value={list.filter(name)} onChange={(e) => list.set({ [name]: e.currentTarget.value })} />
    </Group>
  )
  return (
    <>
      <SearchField list={list} label={t('search')} />
      <FilterField list={list} name="user" label={t('user')} w={150} />
      {choice('operation', t('anyOperation'), kinds.operations.map((o) => ({ value: o, label: t(`operation.${o}`) })))}
      {choice('type', t('anyType'), kinds.types.map((r) => ({ value: r, label: t(`type.${r}`) })))}
      {choice('result', t('anyResult'), [{ value: 'true', label: t('result.true') }, { value: 'false', label: t('result.false') }])}
      {date('from', t('from'))}
      {date('to', t('to'))}
      {list.narrowed && <Button size="sm" variant="subtle" leftSection={<IconFilterOff size={15} />} onClick={list.widen}>{say('table.clear')}</Button>}
    </>
  )
}

function useColumns(): Column<Entry>[] {
  const { t } = useTranslation('audit')
  return [
    { name: 'resource', title: t('what'), cell: (e) => <Stack gap={0}><Text component="span" inherit fw={500}>{e.operation_description || e.resource}</Text>{e.operation_description && <Text component="span" size="sm" c="dimmed">{e.resource}</Text>}</Stack> },
    { name: 'type', title: t('resource'), sort: 'resource_type', cell: (e) => known(system.types, e.resource_type, (r) => t(`type.${r}`)) },
    { name: 'operation', title: t('done'), sort: 'operation', cell: (e) => <Badge color={colors[e.operation] ?? 'gray'}>{known(system.operations, e.operation, (o) => t(`operation.${o}`))}</Badge> },
    { name: 'result', title: t('outcome'), cell: (e) => (e.operation_result ? t('result.true') : <Badge color="red">{t('result.false')}</Badge>) },
    { name: 'user', title: t('user'), sort: 'username', cell: (e) => e.username },
    { name: 'time', title: t('time'), sort: 'op_time', cell: (e) => <TimeAgo value={e.op_time} /> },
  ]
}

const colors: Record<string, string> = { create: 'teal', update: 'blue', delete: 'orange', pull: 'gray' }

/** What a word of the API is called here; one that is new, as it is. */
function known<W extends string>(words: readonly W[], word: string, say: (word: W) => string): string {
  const found = words.find((w) => w === word)
  return found ? say(found) : word
}
