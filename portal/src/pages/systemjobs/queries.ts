import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { api, data, page, type Page, quiet, type Schemas } from '~/api/client'
import type { Schedule } from '~/parts/cron'
import { goesOn } from '~/parts/StatusBadge'
import type { List } from '~/parts/useList'

export type SystemJob = Schemas['SystemJob']

type Asked = { page?: number; page_size?: number; sort?: string }
type Headers = Record<string, string>

/** A kind of work of the whole system, with its history and its schedule. */
export interface Work {
  name: 'gc' | 'purge' | 'advisories'
  list: (query: Asked, headers?: Headers) => Promise<Page<SystemJob>>
  log: (id: number, headers: Headers) => Promise<string>
  stop: (id: number) => Promise<unknown>
  schedule: () => Promise<SystemJob | undefined> // none: there is no schedule
  set: (schedule: Schedule, parameters?: Parameters) => Promise<unknown>
}

/** What work is told. */
export type Parameters = Record<string, string | number | boolean>

const of = (id: number) => ({ path: { id } })

export const gc: Work = {
  name: 'gc',
  list: (query, headers) => page(api.GET('/system/gc', { params: { query }, headers })),
  log: (id, headers) => data(api.GET('/system/gc/{id}/log', { params: of(id), headers, parseAs: 'text' })),
  stop: (id) => data(api.PUT('/system/gc/{id}', { params: of(id) })),
  schedule: () => data(api.GET('/system/gc/schedule')),
  set: (schedule, parameters) => data(api.POST('/system/gc/schedule', { body: { schedule, parameters } })),
}

export const purge: Work = {
  name: 'purge',
  list: (query, headers) => page(api.GET('/system/purgeaudit', { params: { query }, headers })),
  log: (id, headers) => data(api.GET('/system/purgeaudit/{id}/log', { params: of(id), headers, parseAs: 'text' })),
  stop: (id) => data(api.PUT('/system/purgeaudit/{id}', { params: of(id) })),
  schedule: () => data(api.GET('/system/purgeaudit/schedule')),
  set: (schedule, parameters) => data(api.POST('/system/purgeaudit/schedule', { body: { schedule, parameters } })),
}

export const advisoryUpdates: Work = {
  name: 'advisories',
  list: (query, headers) => page(api.GET('/system/advisories/update', { params: { query }, headers })),
  log: (id, headers) => data(api.GET('/system/advisories/update/{id}/log', { params: of(id), headers, parseAs: 'text' })),
  stop: (id) => data(api.PUT('/system/advisories/update/{id}', { params: of(id) })),
  schedule: () => data(api.GET('/system/advisories/schedule')),
  // What is done now has an operation of its own.
  set: (schedule) => data(schedule.type === 'Manual' ? api.POST('/system/advisories/update') : api.PUT('/system/advisories/schedule', { body: { schedule } })),
}

/** Forget with this key what was read of work. */
export const workKey = (work: Work) => ['systemjobs', work.name]

export function history(work: Work, list: List) {
  return queryOptions({
    queryKey: [...workKey(work), 'list', list.params],
    queryFn: () => work.list(list.params),
    placeholderData: (before) => before,
  })
}

export function scheduleOf(work: Work) {
  return queryOptions({
    queryKey: [...workKey(work), 'schedule'],
    queryFn: async () => (await work.schedule()) ?? null,
  })
}

/** The latest of a kind of work, asked again and again while it goes on. */
export function useLatest(work: Work, then?: () => void): SystemJob | undefined {
  const queries = useQueryClient()
  const { data: latest } = useQuery({
    queryKey: [...workKey(work), 'latest'],
    queryFn: async () => (await work.list({ page: 1, page_size: 1, sort: '-id' }, quiet)).items[0] ?? null,
    refetchInterval: ({ state }) => (state.data && runs(state.data) ? 1200 : false),
  })
  const stand = latest ? `${latest.id} ${latest.job_status}` : ''
  useEffect(() => {
    if (!stand) return
    void queries.invalidateQueries({ queryKey: [...workKey(work), 'list'] })
    then?.()
    // What is to be done then is another function each time, and the same.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [stand])
  return latest ?? undefined
}

export function runs(job: SystemJob): boolean {
  return goesOn([job.job_status])
}
