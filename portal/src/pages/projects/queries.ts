import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { contains, is, where } from '~/api/query'
import type { List } from '~/parts/useList'

export type Project = Schemas['ProjectBody']

/** Forget with this key what was read of projects. */
export const projectsKey = ['projects']

/** A page of the projects that the caller sees. */
export function projectsList(list: List) {
  const q = where(contains('name', list.q), is('public', list.filter('public')))
  return queryOptions({
    queryKey: [...projectsKey, 'list', list.params, q],
    queryFn: () => page(api.GET('/projects', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

/** A project by its name. */
export function projectNamed(name: string) {
  return queryOptions({
    queryKey: [...projectsKey, 'one', name],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}', { params: { path: { project_name_or_id: name } } })),
  })
}

/** How much was pulled from a project on each day. */
export function projectPulls(name: string) {
  return queryOptions({
    queryKey: [...projectsKey, 'pulls', name],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/statistics/pulls', { params: { path: { project_name_or_id: name } } })),
  })
}

/** What a project has: repositories, members, storage, and the registry that it is a cache of. */
export function projectSummary(name: string) {
  return queryOptions({
    queryKey: [...projectsKey, 'summary', name],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/summary', { params: { path: { project_name_or_id: name } } })),
  })
}

export function createProject(body: Schemas['ProjectReq']) {
  return data(api.POST('/projects', { body }))
}

export function deleteProject(name: string) {
  return data(api.DELETE('/projects/{project_name_or_id}', { params: { path: { project_name_or_id: name } } }))
}

export function isPublic(project: Project): boolean {
  return project.metadata?.public === 'true'
}
