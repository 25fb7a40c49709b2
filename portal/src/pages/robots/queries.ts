import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { contains, is, where } from '~/api/query'
import type { List } from '~/parts/useList'
import type { Action } from './permissions'

export type Robot = Schemas['RobotBody']

/** Forget with this key what was read of robot accounts. */
export const robotsKey = ['robots']

/** A page of a project's robot accounts. */
export function robotsList(projectId: number, list: List) {
  const q = where(is('Level', 'project'), is('ProjectID', projectId), contains('name', list.q))
  return queryOptions({
    queryKey: [...robotsKey, list.params, q],
    queryFn: () => page(api.GET('/robots', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

/** What the caller may grant to robots. */
export const grantable = queryOptions({
  queryKey: ['permissions'],
  queryFn: () => data(api.GET('/permissions')),
  staleTime: 5 * 60_000,
})

export interface Fields {
  name: string
  description: string
  duration: number // days, -1: no end
  access: Action[]
}

const permissions = (project: string, access: Action[]) => [{ kind: 'project', namespace: project, access }]

/** Creates a robot account; its secret is told this once. */
export function createRobot(project: string, { access, ...fields }: Fields) {
  return data(api.POST('/robots', { body: { ...fields, level: 'project', disable: false, permissions: permissions(project, access) } }))
}

/** Changes a robot account; what is not named stays. */
export function updateRobot(robot: Robot, change: Partial<Pick<Robot, 'description' | 'duration' | 'disable' | 'permissions'>>) {
  return data(api.PUT('/robots/{robot_id}', { params: { path: { robot_id: robot.id } }, body: { ...robot, ...change } }))
}

/** Has the server draw a new secret, which it tells this once. The old one ends. */
export function refreshSecret(id: number) {
  return data(api.PATCH('/robots/{robot_id}', { params: { path: { robot_id: id } }, body: { secret: '' } }))
}

export function deleteRobot(id: number) {
  return data(api.DELETE('/robots/{robot_id}', { params: { path: { robot_id: id } } }))
}
