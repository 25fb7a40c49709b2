import { queryOptions } from '@tanstack/react-query'
import { api, ApiError, data, page, quiet, type Schemas } from '~/api/client'
import { contains, where } from '~/api/query'
import type { Schedule } from '~/parts/cron'
import type { List } from '~/parts/useList'

export type Scanner = Schemas['ScannerBody']
export type Source = Schemas['AdvisorySource']

export const scannersKey = ['scanners']
export const scanAllKey = ['scanAll']

const of = (id: string) => ({ path: { registration_id: id } })

export function scannersList(list: List) {
  const q = where(contains('name', list.q))
  return queryOptions({
    queryKey: [...scannersKey, list.params, q],
    queryFn: () => page(api.GET('/scanners', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

export function saveScanner(id: string | undefined, body: Schemas['ScannerReq']) {
  return data(id ? api.PUT('/scanners/{registration_id}', { params: of(id), body }) : api.POST('/scanners', { body }))
}

export const deleteScanner = (id: string) => data(api.DELETE('/scanners/{registration_id}', { params: of(id) }))
export const makeDefault = (id: string) => data(api.PATCH('/scanners/{registration_id}', { params: of(id), body: { is_default: true } }))
export const pingScanner = (body: Schemas['ScannerRegistrationSettings']) => data(api.POST('/scanners/ping', { body }))

/** How the latest scan of all goes; null: there is no scanner that could. */
export const scanMetrics = queryOptions({
  queryKey: [...scanAllKey, 'metrics'],
  queryFn: async () => {
    try {
      return await data(api.GET('/scans/all/metrics', { headers: quiet }))
    } catch (error) {
      if (error instanceof ApiError && error.status === 412) return null
      throw error
    }
  },
  refetchInterval: ({ state }) => (state.data?.ongoing ? 1200 : false),
})

export const scanSchedule = queryOptions({
  queryKey: [...scanAllKey, 'schedule'],
  queryFn: async () => (await data<Schemas['ScanAllSchedule'] | undefined>(api.GET('/system/scanAll/schedule'))) ?? null,
})

export const scanNow = () => data(api.POST('/system/scanAll/schedule', { body: { schedule: { type: 'Manual', cron: '' } } }))
export const setScanSchedule = (schedule: Schedule) => data(api.PUT('/system/scanAll/schedule', { body: { schedule } }))
export const stopScan = () => data(api.POST('/system/scanAll/stop'))

export const advisories = queryOptions({
  queryKey: ['advisories'],
  queryFn: () => data(api.GET('/system/advisories')),
})

export const allowlist = queryOptions({
  queryKey: ['allowlist'],
  queryFn: () => data(api.GET('/system/CVEAllowlist')),
})

/** Sets what is allowed. @param expires seconds since 1970; null: never */
export function setAllowlist(ids: string[], expires: number | null) {
  return data(api.PUT('/system/CVEAllowlist', { body: { items: ids.map((cve_id) => ({ cve_id })), expires_at: expires } }))
}
