import { Button, Checkbox, Group, LoadingOverlay, Skeleton, Stack, Text, UnstyledButton } from '@mantine/core'
import { IconArrowDown, IconArrowsSort, IconArrowUp, IconFilterOff } from '@tabler/icons-react'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Page } from '~/api/client'
import { ErrorState } from './ErrorState'
import { Pager } from './Pager'
import classes from './DataTable.module.css'
import type { List } from './useList'

export interface Column<T> {
  name: string // of the column, unique
  title: string // '' for a column of actions
  cell: (row: T) => ReactNode
  sort?: string // the API's field to sort by
  align?: 'right'
  width?: string | number
}

export interface Selection {
  keys: Set<string>
  set: (keys: Set<string>) => void
  actions: ReactNode // shown while something is selected
}

interface Props<T> {
  label: string // what is listed, for those who cannot see it
  columns: Column<T>[]
  query: UseQueryResult<Page<T>>
  list: List
  rowKey: (row: T) => string | number
  empty: ReactNode // in place of a list without entries
  narrow?: string // what to know of the filters where they leave none
  toolbar?: ReactNode // above the list: search, filters
  actions?: ReactNode // at its end: buttons
  selection?: Selection
}

/**
 * A list that the server sorts, filters and divides into pages, and whose state is
 * in the address. On a phone each entry stands by itself: the first column is its
 * title, the others have their names before them.
 */
export function DataTable<T>({ label, columns, query, list, rowKey, empty, narrow, toolbar, actions, selection }: Props<T>) {
  const { t } = useTranslation('parts')
  const rows = query.data?.items ?? []
  const keys = rows.map((row) => String(rowKey(row)))
  const chosen = selection ? keys.filter((k) => selection.keys.has(k)) : []
  const toggle = (key: string) => {
    const next = new Set(selection?.keys)
    if (!next.delete(key)) next.add(key)
    selection?.set(next)
  }
  return (
    <div className={classes.whole}>
      {(toolbar || actions) && <div className={classes.toolbar}>{toolbar}{actions && <div className={classes.actions}>{actions}</div>}</div>}
      {selection && chosen.length > 0 && (
        <Group className={classes.selected} role="status"><Text size="sm" fw={560}>{t('table.selected', { count: chosen.length })}</Text>{selection.actions}</Group>
      )}
      {query.isError ? (
        <div className={classes.instead}><ErrorState error={query.error} onRetry={() => void query.refetch()} /></div>
      ) : query.data && rows.length === 0 ? (
        <div>{list.narrowed || list.page > 1 ? <Nothing list={list} hint={narrow} /> : empty}</div>
      ) : (
        <div className={classes.frame}>
          <LoadingOverlay visible={query.isPlaceholderData && query.isFetching} overlayProps={{ backgroundOpacity: 0.4 }} loaderProps={{ size: 'sm' }} />
          <table className={classes.table} aria-label={label} aria-busy={query.isPending} role="table">
            <thead role="rowgroup">
              <tr role="row">
                {selection && (
                  <th role="columnheader" className={classes.check}>
                    <Checkbox size="xs" aria-label={t('table.all')} checked={chosen.length > 0 && chosen.length === keys.length} indeterminate={chosen.length > 0 && chosen.length < keys.length}
                      onChange={(e) => selection.set(new Set(e.currentTarget.checked ? keys : []))} />
                  </th>
                )}
                {columns.map((c) => <Head key={c.name} column={c} list={list} />)}
              </tr>
            </thead>
            <tbody role="rowgroup">
              {query.isPending ? (
                <Waiting columns={columns.length + (selection ? 1 : 0)} />
              ) : (
                rows.map((row, i) => {
                  const key = keys[i] ?? ''
                  return (
                    <tr key={key} role="row" data-selected={selection?.keys.has(key) || undefined}>
                      {selection && (
                        <td role="cell" className={classes.check}>
                          <Checkbox size="xs" aria-label={t('table.select', { name: key })} checked={selection.keys.has(key)} onChange={() => toggle(key)} />
                        </td>
                      )}
                      {columns.map((c) => (
                        <td key={c.name} role="cell" data-title={c.title || undefined} data-align={c.align}><div>{c.cell(row)}</div></td>
                      ))}
                    </tr>
                  )
                })
              )}
            </tbody>
          </table>
        </div>
      )}
      {query.data && (query.data.total > 0 || list.page > 1) && <Pager total={query.data.total} list={list} />}
    </div>
  )
}

/** What is there instead of rows where the filters leave none. */
function Nothing({ list, hint }: { list: List; hint?: string }) {
  const { t } = useTranslation('parts')
  return (
    <Stack className={classes.instead} align="center" gap="sm">
      <Text c="dimmed" role="status">{t('table.nothing')} {hint}</Text>
      {list.narrowed && <Button size="sm" variant="default" leftSection={<IconFilterOff size={15} />} onClick={list.widen}>{t('table.clear')}</Button>}
    </Stack>
  )
}

function Head<T>({ column, list }: { column: Column<T>; list: List }) {
  const { t } = useTranslation('parts')
  const down = list.sort === `-${column.sort}`
  const up = list.sort === column.sort
  const shape = { role: 'columnheader', 'data-align': column.align, style: { width: column.width } }
  if (!column.sort) return <th {...shape}>{column.title || <span className={classes.hidden}>{t('table.actions')}</span>}</th>
  const Arrow = up ? IconArrowUp : down ? IconArrowDown : IconArrowsSort
  return (
    <th {...shape} aria-sort={up ? 'ascending' : down ? 'descending' : 'none'}>
      <UnstyledButton className={classes.sort} data-on={up || down || undefined} onClick={() => list.set({ sort: up ? `-${column.sort}` : column.sort })}>
        {column.title}<Arrow size={14} aria-hidden />
      </UnstyledButton>
    </th>
  )
}

function Waiting({ columns }: { columns: number }) {
  return Array.from({ length: 6 }, (_, row) => (
    <tr key={row} role="row">
      {Array.from({ length: columns }, (_, column) => <td key={column} role="cell"><Skeleton h={14} my={4} w={column === 0 ? '70%' : '50%'} /></td>)}
    </tr>
  ))
}
