import { queryOptions } from '@tanstack/react-query'
import { api, ApiError, data, page, quiet, type Schemas } from '~/api/client'
import { contains, where } from '~/api/query'
import { goesOn } from '~/parts/StatusBadge'
import type { List } from '~/parts/useList'

export type Rule = Schemas['ReplicationBody']
export type Execution = Schemas['ReplicationExecution']
export type Task = Schemas['ReplicationTask']

/** Forget with this key what was read of replication. */
export const replicationKey = ['replication']

/** How often what goes on is asked for, in milliseconds. */
const soon = 1500
const whileItGoesOn = (statuses: string[] | undefined) => (goesOn(statuses ?? []) ? soon : false)

/** A page of the rules. */
export function rulesList(list: List) {
  const q = where(contains('name', list.q))
  return queryOptions({
    queryKey: [...replicationKey, 'rules', list.params, q],
    queryFn: () => page(api.GET('/replication/policies', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

const of = (id: number) => ({ path: { id } })

export function ruleById(id: number) {
  return queryOptions({
    queryKey: [...replicationKey, 'rule', id],
    queryFn: () => data(api.GET('/replication/policies/{id}', { params: of(id) })),
  })
}

export function saveRule(body: Schemas['ReplicationBodyInput'], id?: number) {
  return id === undefined ? data(api.POST('/replication/policies', { body })) : data(api.PUT('/replication/policies/{id}', { params: of(id), body }))
}

export function deleteRule(id: number) {
  return data(api.DELETE('/replication/policies/{id}', { params: of(id) }))
}

/** Starts an execution, and returns its id. */
export async function startRule(policy_id: number): Promise<number> {
  const answer = await api.POST('/replication/executions', { body: { policy_id } })
  await data(Promise.resolve(answer))
  const id = Number(answer.response.headers.get('Location')?.split('/').at(-1))
  if (!Number.isInteger(id)) throw new ApiError(answer.response.status, 'Location')
  return id
}

/** A page of a rule's executions, read again while one goes on. */
export function executionsList(policy_id: number, list: List) {
  const query = { ...list.params, policy_id, status: list.filter('status') || undefined, trigger: list.filter('trigger') || undefined }
  return queryOptions({
    queryKey: [...replicationKey, 'executions', query],
    queryFn: () => page(api.GET('/replication/executions', { params: { query }, headers: quiet })),
    placeholderData: (before) => before,
    refetchInterval: ({ state }) => whileItGoesOn(state.data?.items.map((e) => e.status)),
  })
}

export function executionById(id: number) {
  return queryOptions({
    queryKey: [...replicationKey, 'execution', id],
    queryFn: () => data(api.GET('/replication/executions/{id}', { params: of(id), headers: quiet })),
    refetchInterval: ({ state }) => whileItGoesOn(state.data && [state.data.status]),
  })
}

export function stopExecution(id: number) {
  return data(api.PUT('/replication/executions/{id}', { params: of(id) }))
}

/** A page of an execution's tasks, read again while one goes on. */
export function tasksList(id: number, list: List, running: boolean) {
  const query = { ...list.params, status: list.filter('status') || undefined }
  return queryOptions({
    queryKey: [...replicationKey, 'tasks', id, query],
    queryFn: () => page(api.GET('/replication/executions/{id}/tasks', { params: { ...of(id), query }, headers: quiet })),
    placeholderData: (before) => before,
    // An execution that has begun may have no tasks yet.
    refetchInterval: ({ state }) => (running ? soon : whileItGoesOn(state.data?.items.map((t) => t.status))),
  })
}

export function taskLog(task: Task, headers: Record<string, string>) {
  const path = { id: task.execution_id, task_id: task.id }
  return data(api.GET('/replication/executions/{id}/tasks/{task_id}/log', { params: { path }, headers, parseAs: 'text' }))
}
