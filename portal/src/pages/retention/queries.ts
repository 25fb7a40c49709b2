import { queryOptions } from '@tanstack/react-query'
import { api, data, page, quiet, type Schemas } from '~/api/client'
import type { List } from '~/parts/useList'
import { goesOn } from '~/parts/StatusBadge'

export type Retention = Schemas['RetentionBody']
export type Rule = Schemas['RetentionRuleBody']
export type Run = Schemas['RetentionExecution']
export type Task = Schemas['RetentionTask']

/** Forget with this key what was read of retention. */
export const retentionKey = ['retention']

/** A project's policy, by its id. */
export function policyOf(id: number) {
  return queryOptions({
    queryKey: [...retentionKey, id, 'policy'],
    queryFn: () => data(api.GET('/retentions/{id}', { params: { path: { id } } })),
  })
}

/** What a policy keeps: its rules, and when it runs by itself. */
export interface Kept {
  rules: Rule[]
  cron: string // '': never
}

/** What a policy keeps; what is not there yet keeps nothing. */
export function keptOf(policy: Retention | undefined): Kept {
  const cron = policy?.trigger?.settings['cron']
  return { rules: policy?.rules ?? [], cron: typeof cron === 'string' ? cron : '' }
}

/** Changes a project's policy, or creates it with its first rule. */
export function savePolicy(projectId: number, id: number | undefined, { rules, cron }: Kept) {
  const body = { algorithm: 'or', rules, trigger: { kind: 'Schedule', settings: { cron }, references: {} }, scope: { level: 'project', ref: projectId } }
  return id === undefined ? data(api.POST('/retentions', { body })) : data(api.PUT('/retentions/{id}', { params: { path: { id } }, body: { ...body, id } }))
}

/** A page of a policy's runs; asked for again while one goes on. */
export function runsList(id: number, list: List) {
  const { page: number, page_size } = list.params
  return queryOptions({
    queryKey: [...retentionKey, id, 'runs', number, page_size],
    queryFn: () => page(api.GET('/retentions/{id}/executions', { params: { path: { id }, query: { page: number, page_size } }, headers: quiet })),
    placeholderData: (before) => before,
    refetchInterval: (query) => (goesOn((query.state.data?.items ?? []).map((r) => r.status)) ? 1500 : false),
  })
}

/** Runs a policy now; a dry run only says what would go. */
export function startRun(id: number, dry: boolean) {
  return data(api.POST('/retentions/{id}/executions', { params: { path: { id } }, body: { dry_run: dry } }))
}

export function stopRun(id: number, run: number) {
  return data(api.PATCH('/retentions/{id}/executions/{eid}', { params: { path: { id, eid: run } }, body: { action: 'stop' } }))
}

/** A page of what became of each repository; asked for again while one is under way. */
export function tasksList(id: number, run: number, list: List) {
  const { page: number, page_size } = list.params
  return queryOptions({
    queryKey: [...retentionKey, id, 'tasks', run, number, page_size],
    queryFn: () => page(api.GET('/retentions/{id}/executions/{eid}/tasks', { params: { path: { id, eid: run }, query: { page: number, page_size } }, headers: quiet })),
    placeholderData: (before) => before,
    refetchInterval: (query) => (goesOn((query.state.data?.items ?? []).map((t) => t.status)) ? 1500 : false),
  })
}

export function taskLog(id: number, run: number, task: number, headers: Record<string, string>) {
  return data(api.GET('/retentions/{id}/executions/{eid}/tasks/{tid}', { params: { path: { id, eid: run, tid: task } }, headers, parseAs: 'text' }))
}
