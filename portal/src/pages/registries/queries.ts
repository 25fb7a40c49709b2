import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { contains, is, where } from '~/api/query'
import type { List } from '~/parts/useList'

export type Registry = Schemas['RegistryBody']
export type Provider = Schemas['RegistryProvider']

/** Forget with this key what was read of registries. */
export const registriesKey = ['registries']

/** A page of the registries. */
export function registriesList(list: List) {
  const q = where(contains('name', list.q), is('status', list.filter('status')))
  return queryOptions({
    queryKey: [...registriesKey, 'list', list.params, q],
    queryFn: () => page(api.GET('/registries', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

const most = 100 // on a page

/** All registries, to choose one from. */
export const allRegistries = queryOptions({
  queryKey: [...registriesKey, 'all'],
  queryFn: async () => {
    const found: Registry[] = []
    for (let number = 1; ; number++) {
      const { items, total } = await page(api.GET('/registries', { params: { query: { page: number, page_size: most, sort: 'name' } } }))
      found.push(...items)
      if (items.length === 0 || found.length >= total) return found
    }
  },
})

/** What there is to know of each type of registry. */
export const providers = queryOptions({
  queryKey: [...registriesKey, 'providers'],
  queryFn: () => data(api.GET('/replication/adapterinfos')),
  staleTime: Infinity,
})

const of = (id: number) => ({ path: { id } })

/** What rules can ask of a registry; 0 is this one. */
export function registryInfo(id: number) {
  return queryOptions({
    queryKey: [...registriesKey, 'info', id],
    queryFn: () => data(api.GET('/registries/{id}/info', { params: of(id) })),
  })
}

export function createRegistry(body: Schemas['RegistryBodyInput']) {
  return data(api.POST('/registries', { body }))
}

export function updateRegistry(id: number, body: Schemas['RegistryChange']) {
  return data(api.PUT('/registries/{id}', { params: of(id), body }))
}

export function deleteRegistry(id: number) {
  return data(api.DELETE('/registries/{id}', { params: of(id) }))
}

/** Tries whether a registry can be reached: it fails with the reason where not. */
export function tryRegistry(body: Schemas['RegistryTrial']) {
  return data(api.POST('/registries/ping', { body }))
}
