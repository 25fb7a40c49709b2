import { queryOptions } from '@tanstack/react-query'
import { api, data, type Schemas } from '~/api/client'
import type { paths } from '~/api/schema'

export type Settings = paths['/configurations']['get']['responses']['200']['content']['application/json']
export type Change = NonNullable<paths['/configurations']['put']['requestBody']>['content']['application/json']
/** A setting that can be changed here. */
export type Key = keyof Change & string
export type Value = string | number | boolean

/** All settings, as they are. */
export const settings = queryOptions({
  queryKey: ['settings'],
  queryFn: () => data(api.GET('/configurations')),
})

/** What a setting is at present; undefined: it is a secret, or there is none. */
export function valueOf(all: Settings, key: Key): Value | undefined {
  const item = itemOf(all, key)
  return item?.value
}

/** Whether it may be changed: it may be fixed where the server is started. */
export function editable(all: Settings, key: Key): boolean {
  return itemOf(all, key)?.editable !== false
}

function itemOf(all: Settings, key: string): { value?: Value; editable?: boolean } | undefined {
  const item: unknown = Object.entries(all).find(([name]) => name === key)?.[1]
  return typeof item === 'object' && item !== null ? item : undefined
}

export function changeSettings(change: Change) {
  return data(api.PUT('/configurations', { body: change }))
}

export function pingLdap(settings: Schemas['LdapConf']) {
  return data(api.POST('/ldap/ping', { body: settings }))
}

/** The kinds of events that the audit log knows. */
export const eventTypes = queryOptions({
  queryKey: ['audit', 'events'],
  queryFn: async () => (await data(api.GET('/auditlog-exts/events'))).map((e) => e.event_type),
  staleTime: Infinity,
})
