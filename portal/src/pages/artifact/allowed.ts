import { useQuery } from '@tanstack/react-query'
import { api, data, type Schemas } from '~/api/client'
import { useMe } from '~/api/session'
import type { Project } from '~/pages/projects/queries'

/** The CVEs that count as allowed in a project: those of its own list, or of the system's. */
export function useAllowed(project: Project): Set<string> {
  const known = useMe() !== null
  const system = project.metadata?.reuse_sys_cve_allowlist === 'true'
  const query = useQuery({ queryKey: ['system', 'allowlist'], queryFn: () => data(api.GET('/system/CVEAllowlist')), enabled: known && system })
  return allowed(system ? query.data : project.cve_allowlist, new Date())
}

export function allowed(list: Pick<Schemas['CveAllowlist'], 'items' | 'expires_at'> | undefined, now: Date): Set<string> {
  if (!list || (list.expires_at && list.expires_at * 1000 <= now.getTime())) return new Set()
  return new Set(list.items.map((i) => i.cve_id))
}
