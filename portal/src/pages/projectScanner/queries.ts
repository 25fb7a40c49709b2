import { queryOptions } from '@tanstack/react-query'
import { api, data, type Schemas } from '~/api/client'

export type Scanner = Schemas['ScannerBody']

/** Forget with this key what was read of the scanners of projects. */
export const scannerKey = ['projectScanner']

const at = (project: string) => ({ project_name_or_id: project })

/** The scanner that a project has, its own or the default one. */
export function scannerOf(project: string) {
  return queryOptions({
    queryKey: [...scannerKey, project],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/scanner', { params: { path: at(project) } })),
  })
}

/** Those that it may have. */
export function candidates(project: string) {
  return queryOptions({
    queryKey: [...scannerKey, project, 'candidates'],
    queryFn: () => data(api.GET('/projects/{project_name_or_id}/scanner/candidates', { params: { path: at(project), query: { page_size: 100 } } })),
  })
}

export function chooseScanner(project: string, uuid: string) {
  return data(api.PUT('/projects/{project_name_or_id}/scanner', { params: { path: at(project) }, body: { uuid } }))
}
