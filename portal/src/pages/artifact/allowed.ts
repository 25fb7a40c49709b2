import { useQuery } from '@tanstack/react-query'
import type { Schemas } from '~/api/client'
import { useMe } from '~/api/session'
import { allowlist } from '~/pages/interrogation/queries'
import { settingsOf } from '~/pages/projectConfig/settings'
import type { Project } from '~/pages/projects/queries'

/** The CVEs that count as allowed in a project, in small letters: those of the system's list, unless it has its own. */
export function useAllowed(project: Project): Set<string> {
  const known = useMe() !== null
  const system = settingsOf(project).allowlist === 'system'
  const query = useQuery({ ...allowlist, enabled: known && system })
  return allowed(system ? query.data : project.cve_allowlist, new Date())
}

export function allowed(list: Pick<Schemas['CveAllowlist'], 'items' | 'expires_at'> | undefined, now: Date): Set<string> {
  if (!list || (list.expires_at && list.expires_at * 1000 <= now.getTime())) return new Set()
  return new Set(list.items.map((i) => i.cve_id.toLowerCase()))
}
