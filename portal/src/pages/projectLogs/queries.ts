import { queryOptions } from '@tanstack/react-query'
import { api, page, type Schemas } from '~/api/client'
import { between, contains, is, where } from '~/api/query'
import type { List } from '~/parts/useList'

export type Entry = Schemas['AuditLogExt']

/** The conditions of a list's filters. Days count whole. */
export function conditions(list: Pick<List, 'q' | 'filter'>): string | undefined {
  const [from, to] = [list.filter('from'), list.filter('to')]
  return where(
    contains('resource', list.q),
    contains('username', list.filter('user')),
    is('operation', list.filter('operation')),
    is('resource_type', list.filter('type')),
    is('operation_result', list.filter('result')),
    between('op_time', from ? `${from} 00:00:00` : undefined, to ? `${to} 23:59:59` : undefined),
  )
}

/** A page of what happened in a project. */
export function logsList(project: string, list: List) {
  const q = conditions(list)
  return queryOptions({
    queryKey: ['projectLogs', project, list.params, q],
    queryFn: () => page(api.GET('/projects/{project_name}/auditlog-exts', { params: { path: { project_name: project }, query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}
