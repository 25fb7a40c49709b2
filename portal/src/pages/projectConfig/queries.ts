import { api, data } from '~/api/client'
import { asSent, type Settings } from './settings'

export function saveSettings(project: string, settings: Settings, cache: boolean) {
  return data(api.PUT('/projects/{project_name_or_id}', { params: { path: { project_name_or_id: project } }, body: asSent(settings, cache) }))
}
