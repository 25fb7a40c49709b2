import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import type { List } from '~/parts/useList'

export type Quota = Schemas['QuotaBody']

/** Forget with this key what was read of quotas. */
export const quotasKey = ['quotas']

/** A page of the quotas of all projects. */
export function quotasList(params: List['params']) {
  return queryOptions({
    queryKey: [...quotasKey, params],
    queryFn: () => page(api.GET('/quotas', { params: { query: { ...params, reference: 'project' } } })),
    placeholderData: (before) => before,
  })
}

/** Sets a project's limit; -1: none. */
export function setQuota(id: number, bytes: number) {
  return data(api.PUT('/quotas/{id}', { params: { path: { id } }, body: { hard: { storage: bytes } } }))
}

export const used = (quota: Quota) => quota.used['storage'] ?? 0
export const hard = (quota: Quota) => quota.hard['storage'] ?? -1
