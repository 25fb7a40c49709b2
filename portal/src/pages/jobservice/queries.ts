import { queryOptions } from '@tanstack/react-query'
import { api, data, page, quiet, type Schemas } from '~/api/client'
import type { List } from '~/parts/useList'

export type Queue = Schemas['JobQueue']
export type Pool = Schemas['WorkerPool']
export type Worker = Schemas['Worker']

/** Forget with this key what was read of the job service. */
export const jobServiceKey = ['jobservice']

const often = 3000 // ms: what waits and works changes all the time

export const queues = queryOptions({
  queryKey: [...jobServiceKey, 'queues'],
  queryFn: () => data(api.GET('/jobservice/queues', { headers: quiet })),
  refetchInterval: often,
})

/** @param kind of work, or all; SCHEDULER: all schedules */
export function actOn(kind: string, action: Schemas['ActionRequest']['action']) {
  return data(api.PUT('/jobservice/queues/{job_type}', { params: { path: { job_type: kind } }, body: { action } }))
}

export function schedulesList(list: List) {
  return queryOptions({
    queryKey: [...jobServiceKey, 'schedules', list.page, list.size],
    queryFn: () => page(api.GET('/schedules', { params: { query: { page: list.page, page_size: list.size } } })),
    placeholderData: (before) => before,
  })
}

export const schedulesPaused = queryOptions({
  queryKey: [...jobServiceKey, 'paused'],
  queryFn: async () => (await data(api.GET('/schedules/{job_type}/paused', { params: { path: { job_type: 'all' } } }))).paused,
})

export const workers = queryOptions({
  queryKey: [...jobServiceKey, 'workers'],
  queryFn: async () => {
    const [pools, busy] = await Promise.all([
      data(api.GET('/jobservice/pools', { headers: quiet })),
      data(api.GET('/jobservice/pools/{pool_id}/workers', { params: { path: { pool_id: 'all' } }, headers: quiet })),
    ])
    return { pools, busy }
  },
  refetchInterval: often,
})

export function stopJob(id: string) {
  return data(api.PUT('/jobservice/jobs/{job_id}', { params: { path: { job_id: id } } }))
}

export function jobLog(id: string, headers: Record<string, string>) {
  return data(api.GET('/jobservice/jobs/{job_id}/log', { params: { path: { job_id: id } }, headers, parseAs: 'text' }))
}
