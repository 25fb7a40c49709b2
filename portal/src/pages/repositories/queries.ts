import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { contains, is, where } from '~/api/query'
import type { List } from '~/parts/useList'

export type Repository = Schemas['RepositoryBody']
export type Artifact = Schemas['ArtifactBody']

/** Forget with this key what was read of repositories and their artifacts. */
export const repositoriesKey = ['repositories']

/** A page of a project's repositories. */
export function repositoriesList(project: string, list: List) {
  const q = where(contains('name', list.q))
  return queryOptions({
    queryKey: [...repositoriesKey, project, 'list', list.params, q],
    queryFn: () => page(api.GET('/projects/{project_name}/repositories', { params: { path: { project_name: project }, query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

const at = (project: string, repository: string) => ({ project_name: project, repository_name: repository })

/** A repository by its name without the project. */
export function repositoryNamed(project: string, repository: string) {
  return queryOptions({
    queryKey: [...repositoriesKey, project, 'one', repository],
    queryFn: () => data(api.GET('/projects/{project_name}/repositories/{repository_name}', { params: { path: at(project, repository) } })),
  })
}

/** A page of a repository's artifacts, with their tags. */
export function artifactsList(project: string, repository: string, list: List) {
  const tags = list.filter('tags')
  const q = where(contains('tags', list.q), list.q ? undefined : is('tags', tags === 'none' ? 'nil' : tags === 'some' ? '*' : ''), is('labels', list.filter('label') && `(${list.filter('label')})`))
  return queryOptions({
    queryKey: [...repositoriesKey, project, 'artifacts', repository, list.params, q],
    queryFn: () =>
      page(
        api.GET('/projects/{project_name}/repositories/{repository_name}/artifacts', {
          params: { path: at(project, repository), query: { ...list.params, q, with_tag: true, with_label: true, with_scan_overview: true, with_accessory: true } },
        }),
      ),
    placeholderData: (before) => before,
  })
}

export function deleteRepository(project: string, repository: string) {
  return data(api.DELETE('/projects/{project_name}/repositories/{repository_name}', { params: { path: at(project, repository) } }))
}

/** The text that a description is. The API has it with HTML escaped, for clients that show it as HTML. */
export function plainDescription(escaped: string): string {
  const letters: Record<string, string> = { lt: '<', gt: '>', amp: '&', '#34': '"', '#39': "'" }
  return escaped.replace(/&(lt|gt|amp|#34|#39);/g, (whole, name: string) => letters[name] ?? whole)
}

export function describeRepository(project: string, repository: string, description: string) {
  return data(api.PUT('/projects/{project_name}/repositories/{repository_name}', { params: { path: at(project, repository) }, body: { description } }))
}
