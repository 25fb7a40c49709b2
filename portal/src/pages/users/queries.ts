import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { contains, is, where } from '~/api/query'
import type { User } from '~/api/session'
import type { List } from '~/parts/useList'

/** Forget with this key what was read of users. */
export const usersKey = ['users']

/** A page of the users. */
export function usersList(list: List) {
  const q = where(contains('username', list.q), is('sysadmin_flag', list.filter('admins')))
  return queryOptions({
    queryKey: [...usersKey, 'list', list.params, q],
    queryFn: () => page(api.GET('/users', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

const of = (user: User) => ({ path: { user_id: user.user_id } })

export function createUser(body: Schemas['UserCreationReq']) {
  return data(api.POST('/users', { body }))
}

export function updateUser(user: User, body: Schemas['UserProfile']) {
  return data(api.PUT('/users/{user_id}', { params: of(user), body }))
}

/** Sets a password; who sets their own must tell the old one. */
export function setPassword(user: User, new_password: string, old_password = '') {
  return data(api.PUT('/users/{user_id}/password', { params: of(user), body: { old_password, new_password } }))
}

export function setAdmin(user: User, sysadmin_flag: boolean) {
  return data(api.PUT('/users/{user_id}/sysadmin', { params: of(user), body: { sysadmin_flag } }))
}

export function deleteUser(user: User) {
  return data(api.DELETE('/users/{user_id}', { params: of(user) }))
}

/** Those of the directory whose login name has a text in it. */
export function directoryUsers(username: string) {
  return queryOptions({
    queryKey: ['directory', 'users', username],
    queryFn: () => data(api.GET('/ldap/users/search', { params: { query: { username } } })),
    placeholderData: (before) => before,
  })
}

/** Makes accounts for users of the directory. Returns those for whom that was not possible. */
export async function importUsers(ldap_uid_list: string[]): Promise<Schemas['LdapFailedImport'][]> {
  const { data: done, error, response } = await api.POST('/ldap/users/import', { body: { ldap_uid_list } })
  // With those who were not imported the API answers 404, and the list where a failure would be.
  const refused: unknown = done ?? error
  if (Array.isArray(refused)) return refused as Schemas['LdapFailedImport'][]
  return data(Promise.resolve({ error, response }))
}
