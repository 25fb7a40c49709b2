import { queryOptions } from '@tanstack/react-query'
import { api, page, type Schemas } from '~/api/client'
import { between, contains, is, where } from '~/api/query'
import { endOfDay, inFilter, startOfDay } from '~/parts/days'
import type { List } from '~/parts/useList'

export type Entry = Schemas['AuditLogExt']

/** What an audit log has entries of. */
export interface Kinds {
  operations: readonly Operation[]
  types: readonly Type[]
}

type Operation = (typeof system.operations)[number]
type Type = (typeof system.types)[number]

/** … that of the system. */
export const system = {
  operations: ['create', 'update', 'delete', 'pull', 'login', 'logout'],
  types: [
    'artifact', 'tag', 'repository', 'project', 'member', 'robot', 'user', 'group', 'label', 'immutable_rule', 'retention_policy', 'webhook', 'trust',
    'registry', 'replication_policy', 'scanner', 'quota', 'configuration', 'audit_log', 'blob',
  ],
} as const

/** … that of a project. */
export const project: Kinds = {
  operations: ['create', 'update', 'delete', 'pull'],
  types: ['artifact', 'tag', 'repository', 'project', 'member', 'robot', 'label', 'immutable_rule', 'retention_policy', 'webhook', 'trust', 'quota'],
}

/** The filters of a log, by their names in the page's address. */
export const filters = ['operation', 'type', 'user', 'result', 'from', 'to'] as const

/** The conditions that a list's filters come to. Days count whole. */
export function conditions(list: Pick<List, 'q' | 'filter'>): string | undefined {
  return where(
    contains('resource', list.q), contains('username', list.filter('user')), is('operation', list.filter('operation')), is('resource_type', list.filter('type')),
    is('operation_result', list.filter('result')), between('op_time', inFilter(startOfDay(list.filter('from'))), inFilter(endOfDay(list.filter('to')))),
  )
}

/** A page of the system's audit log. */
export function auditList(list: List) {
  const q = conditions(list)
  return queryOptions({
    queryKey: ['audit', list.params, q],
    queryFn: () => page(api.GET('/auditlog-exts', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

/** A page of what happened in a project. */
export function projectAuditList(name: string, list: List) {
  const q = conditions(list)
  return queryOptions({
    queryKey: ['projectAudit', name, list.params, q],
    queryFn: () => page(api.GET('/projects/{project_name}/auditlog-exts', { params: { path: { project_name: name }, query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}
