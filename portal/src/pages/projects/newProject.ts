import type { Schemas } from '~/api/client'
import { parseBytes } from '~/parts/numbers'

/** What the dialog for a new project has. */
export interface NewProject {
  name: string
  visibility: string
  limit: string // '': the system's
  cache: boolean
  registry: string // id of the registry that a cache is of
  speed: string // KiB a second, '': no limit
}

/** What the API is sent for it. */
export function asSent({ name, visibility, limit, cache, registry, speed }: NewProject): Schemas['ProjectReq'] {
  return {
    project_name: name,
    metadata: { public: String(visibility === 'public'), ...(cache && speed && { proxy_speed_kb: speed }) },
    ...(limit && { storage_limit: parseBytes(limit) }),
    ...(cache && { registry_id: Number(registry) }),
  }
}
