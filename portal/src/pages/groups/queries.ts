import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import type { List } from '~/parts/useList'

export type UserGroup = Schemas['UserGroup']

/** The API's numbers for kinds of groups. */
export const kinds = { 1: 'ldap', 2: 'http', 3: 'oidc' } as const
export const ldap = 1

/** Forget with this key what was read of groups. */
export const groupsKey = ['groups']

/** A page of the groups, in the order of their names. */
export function groupsList({ params: { page: number, page_size }, q }: List) {
  return queryOptions({
    queryKey: [...groupsKey, 'list', number, page_size, q],
    queryFn: () => page(api.GET('/usergroups', { params: { query: { page: number, page_size, group_name: q || undefined } } })),
    placeholderData: (before) => before,
  })
}

export function createGroup(body: Schemas['UserGroupInput']) {
  return data(api.POST('/usergroups', { body }))
}

export function renameGroup(group: UserGroup, group_name: string) {
  return data(api.PUT('/usergroups/{group_id}', { params: { path: { group_id: group.id } }, body: { group_name } }))
}

export function deleteGroup(group: UserGroup) {
  return data(api.DELETE('/usergroups/{group_id}', { params: { path: { group_id: group.id } } }))
}

/** Those of the directory whose name has a text in it. */
export function directoryGroups(groupname: string) {
  return queryOptions({
    queryKey: ['directory', 'groups', groupname],
    queryFn: () => data(api.GET('/ldap/groups/search', { params: { query: { groupname } } })),
    enabled: groupname !== '',
    placeholderData: (before) => before,
  })
}
