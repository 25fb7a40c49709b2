import type { Schemas } from '~/api/client'
import { type Action, granted, keyOf } from '~/pages/robots/permissions'

type Permission = Schemas['RobotPermission']

export const system = '/'
export const everyProject = '*'

/** What a robot may do, by where: the system, every project, and projects by their names. */
export type Grants = Map<string, Set<string>>

/** Reads a robot's permissions. The system and every project are always there, maybe with nothing. */
export function grantsOf(permissions: Permission[]): Grants {
  const grants: Grants = new Map([[system, new Set()], [everyProject, new Set()]])
  for (const { namespace, access } of permissions) {
    grants.set(namespace, new Set([...(grants.get(namespace) ?? []), ...access.map(keyOf)]))
  }
  return grants
}

/** … and writes them. Where nothing is granted is left out. */
export function permissionsOf(grants: Grants, catalogue: { system: Action[]; project: Action[] }): Permission[] {
  return [...grants]
    .map(([namespace, chosen]) => {
      const kind = namespace === system ? 'system' : 'project'
      return { kind, namespace, access: granted(chosen, catalogue[kind]) }
    })
    .filter((p) => p.access.length > 0)
}

/** Whether it can be sent: something is granted, and so in each project that is named. */
export function whole(grants: Grants): boolean {
  const named = [...grants].filter(([namespace]) => namespace !== system && namespace !== everyProject)
  return named.every(([, chosen]) => chosen.size > 0) && [...grants.values()].some((chosen) => chosen.size > 0)
}
