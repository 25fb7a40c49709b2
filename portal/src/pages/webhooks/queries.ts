import { queryOptions } from '@tanstack/react-query'
import { api, data, page, quiet, type Schemas } from '~/api/client'
import { contains, is, where } from '~/api/query'
import type { List } from '~/parts/useList'
import { goesOn } from '~/parts/StatusBadge'

export type Policy = Schemas['WebhookBody']
export type Target = Schemas['WebhookTarget']
export type Execution = Schemas['Execution']
export type Fields = Pick<Policy, 'name' | 'description' | 'enabled' | 'event_types' | 'targets'>

/** Forget with this key what was read of webhooks. */
export const webhooksKey = ['webhooks']

const at = (project: string) => ({ project_name_or_id: project })
const of = (project: string, policy: number) => ({ ...at(project), webhook_policy_id: policy })

/** A page of a project's policies. */
export function policiesList(project: string, list: List) {
  const q = where(contains('name', list.q))
  return queryOptions({
    queryKey: [...webhooksKey, project, 'list', list.params, q],
    queryFn: () => page(api.GET('/projects/{project_name_or_id}/webhook/policies', { params: { path: at(project), query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

export function policyOf(project: string, id: number) {
  return queryOptions({
    queryKey: [...webhooksKey, project, 'one', id],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}', { params: { path: of(project, id) } })),
  })
}

/** When each policy was triggered last. */
export function triggers(project: string) {
  return queryOptions({
    queryKey: [...webhooksKey, project, 'triggers'],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/webhook/lasttrigger', { params: { path: at(project) } })),
  })
}

/** What there is to be told of, and how. */
export function kinds(project: string) {
  return queryOptions({
    queryKey: [...webhooksKey, project, 'kinds'],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/webhook/events', { params: { path: at(project) } })),
    staleTime: 5 * 60_000,
  })
}

/** Creates a policy, or changes the one of an id. */
export function savePolicy(project: string, body: Fields, id?: number) {
  if (id === undefined) return data(api.POST('/projects/{project_name_or_id}/webhook/policies', { params: { path: at(project) }, body }))
  return data(api.PUT('/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}', { params: { path: of(project, id) }, body }))
}

export function deletePolicy(project: string, id: number) {
  return data(api.DELETE('/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}', { params: { path: of(project, id) } }))
}

/** Sends something to each target now. */
export function tryPolicy(project: string, id: number) {
  return data(api.POST('/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/test', { params: { path: of(project, id) } }))
}

/** A page of what was sent; asked for again while something is under way. */
export function executionsList(project: string, policy: number, list: List) {
  const q = where(is('status', list.filter('status')))
  return queryOptions({
    queryKey: [...webhooksKey, project, 'executions', policy, list.params, q],
    queryFn: () => page(api.GET('/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions', { params: { path: of(project, policy), query: { ...list.params, q } }, headers: quiet })),
    placeholderData: (before) => before,
    refetchInterval: (query) => (goesOn((query.state.data?.items ?? []).map((e) => e.status)) ? 1500 : false),
  })
}

/** The tasks of an execution. */
export function tasksOf(project: string, policy: number, execution: number) {
  return queryOptions({
    queryKey: [...webhooksKey, project, 'tasks', policy, execution],
    queryFn: () =>
      data(api.GET('/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks', { params: { path: { ...of(project, policy), execution_id: execution } }, headers: quiet })),
    refetchInterval: (query) => (goesOn((query.state.data ?? []).map((t) => t.status)) ? 1500 : false),
  })
}

export function taskLog(project: string, policy: number, execution: number, task: number, headers: Record<string, string>) {
  return data(
    api.GET('/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks/{task_id}/log', {
      params: { path: { ...of(project, policy), execution_id: execution, task_id: task } }, headers, parseAs: 'text',
    }),
  )
}
