import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import type { List } from '~/parts/useList'

export type Member = Schemas['MemberEntity']

/** Forget with this key what was read of members. */
export const membersKey = ['members']

const at = (project: string) => ({ project_name_or_id: project })

/** A page of a project's members. */
export function membersList(project: string, list: List) {
  const { page: number, page_size } = list.params
  return queryOptions({
    queryKey: [...membersKey, project, list.params, list.q],
    queryFn: () => page(api.GET('/projects/{project_name_or_id}/members', { params: { path: at(project), query: { page: number, page_size, entityname: list.q || undefined } } })),
    placeholderData: (before) => before,
  })
}

/** A user or a group, as a search finds it. */
export interface Found {
  id: number
  name: string
}

/** Users or groups with a text in their names. */
export function peopleNamed(kind: 'user' | 'group', text: string) {
  const name = text.trim()
  return queryOptions({
    queryKey: ['people', kind, name],
    queryFn: async (): Promise<Found[]> => {
      if (kind === 'user') {
        const found = await data(api.GET('/users/search', { params: { query: { username: name, page_size: 20 } } }))
        return found.map((u) => ({ id: u.user_id, name: u.username }))
      }
      const found = await data(api.GET('/usergroups/search', { params: { query: { groupname: name, page_size: 20 } } }))
      return found.map((g) => ({ id: g.id, name: g.group_name }))
    },
    enabled: name !== '',
    placeholderData: (before) => before,
  })
}

export function addMember(project: string, body: Schemas['NewMember']) {
  return data(api.POST('/projects/{project_name_or_id}/members', { params: { path: at(project) }, body }))
}

export function setRole(project: string, member: number, role: number) {
  return data(api.PUT('/projects/{project_name_or_id}/members/{mid}', { params: { path: { ...at(project), mid: member } }, body: { role_id: role } }))
}

export function removeMember(project: string, member: number) {
  return data(api.DELETE('/projects/{project_name_or_id}/members/{mid}', { params: { path: { ...at(project), mid: member } } }))
}
