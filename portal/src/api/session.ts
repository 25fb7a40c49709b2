import { queryOptions, useQuery, useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { ApiError, api, atDoor, data, type Schemas } from './client'

export type User = Schemas['UserResp']

/** Who has signed in; null: nobody. */
export const me = queryOptions({
  queryKey: ['me'],
  queryFn: async (): Promise<User | null> => {
    try {
      return await data(api.GET('/users/current'))
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null
      throw error
    }
  },
  staleTime: Infinity,
})

/** What the server says of itself; more to those who have signed in. */
export const systemInfo = queryOptions({
  queryKey: ['systeminfo'],
  queryFn: () => data(api.GET('/systeminfo')),
  staleTime: 5 * 60_000,
})

export function useMe(): User | null {
  return useSuspenseQuery(me).data
}

export function useSystemInfo(): Schemas['GeneralInfo'] {
  return useSuspenseQuery(systemInfo).data
}

/** Whether somebody administers the system: by themselves, or by a group. */
export function isAdmin(user: User | null): boolean {
  return user !== null && (user.sysadmin_flag || user.admin_role_in_auth)
}

/** Signs in and out. Whatever was read before is forgotten. */
export function useDoor() {
  const queries = useQueryClient()
  return {
    async signIn(principal: string, password: string) {
      await atDoor('/c/login', { principal, password })
      queries.clear()
    },
    async signOut() {
      await atDoor('/c/log_out')
      queries.clear()
    },
  }
}

/** Answers whether the caller has a right, as the API names it: may('member', 'list'). */
export type May = (resource: string, action: string) => boolean

const nothing: May = () => false

/**
 * What the caller may do in a project. Until that is known, nothing. Those who
 * have not signed in may look at what is public.
 */
export function useRights(projectId: number | undefined): May {
  const user = useMe()
  const { data: rights } = useQuery({
    queryKey: ['rights', projectId],
    queryFn: () =>
      data(api.GET('/users/current/permissions', { params: { query: { scope: `/project/${projectId}`, relative: true } } })),
    enabled: user !== null && projectId !== undefined,
  })
  if (user === null) return (resource, action) => visible.has(`${resource}:${action}`)
  if (!rights) return nothing
  const has = new Set(rights.map((r) => `${r.resource}:${r.action}`))
  return (resource, action) => has.has(`${resource}:${action}`)
}

const visible = new Set(['repository:list', 'artifact:list', 'artifact:read', 'artifact-addition:read', 'tag:list', 'accessory:list', 'label:list', 'scan:read'])
