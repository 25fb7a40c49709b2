import { queryOptions } from '@tanstack/react-query'
import { api, data } from '~/api/client'
import { asSent, type Settings } from './settings'

/** The list of CVEs that count nowhere. */
export const systemAllowlist = queryOptions({
  queryKey: ['systemAllowlist'],
  queryFn: () => data(api.GET('/system/CVEAllowlist')),
})

/** What a project has of storage, and what it is a cache of. */
export function summaryOf(project: string) {
  return queryOptions({
    queryKey: ['projects', 'summary', project],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/summary', { params: { path: { project_name_or_id: project } } })),
  })
}

export function saveSettings(project: string, settings: Settings, cache: boolean) {
  return data(api.PUT('/projects/{project_name_or_id}', { params: { path: { project_name_or_id: project } }, body: asSent(settings, cache) }))
}
