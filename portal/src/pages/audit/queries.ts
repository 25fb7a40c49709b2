import { queryOptions } from '@tanstack/react-query'
import { api, page, type Schemas } from '~/api/client'
import { between, contains, is, where } from '~/api/query'
import type { List } from '~/parts/useList'

export type Entry = Schemas['AuditLogExt']

/** The operations and the kinds of things that entries are of. */
export const operations = ['create', 'update', 'delete', 'pull', 'login', 'logout'] as const
export const resourceTypes = [
  'artifact', 'tag', 'repository', 'project', 'member', 'robot', 'user', 'group', 'label', 'immutable_rule', 'trust',
  'registry', 'replication_policy', 'scanner', 'quota', 'configuration', 'audit_log', 'blob',
] as const

/** A page of the system's audit log. */
export function auditList(list: List) {
  const q = where(
    contains('resource', list.q), contains('username', list.filter('user')), is('operation', list.filter('operation')), is('resource_type', list.filter('type')),
    is('operation_result', list.filter('result')), between('op_time', startOf(list.filter('from')), endOf(list.filter('to'))),
  )
  return queryOptions({
    queryKey: ['audit', list.params, q],
    queryFn: () => page(api.GET('/auditlog-exts', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

/** The moments between which a day of the reader's calendar lies, in UTC as the API compares them. */
export function startOf(day: string): string | undefined {
  return utc(day, 'T00:00:00')
}

export function endOf(day: string): string | undefined {
  return utc(day, 'T23:59:59')
}

function utc(day: string, time: string): string | undefined {
  const at = new Date(`${day}${time}`)
  return /^\d{4}-\d\d-\d\d$/.test(day) && !Number.isNaN(at.getTime()) ? at.toISOString().slice(0, 19) : undefined
}
