import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { contains, is, where } from '~/api/query'
import { robotsKey } from '~/pages/robots/queries'
import type { List } from '~/parts/useList'

/** A page of the robot accounts that are the system's. */
export function systemRobotsList(list: List) {
  const q = where(is('Level', 'system'), contains('name', list.q))
  return queryOptions({
    queryKey: [...robotsKey, 'system', list.params, q],
    queryFn: () => page(api.GET('/robots', { params: { query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

/** Creates a robot account; its secret is told this once. */
export function createSystemRobot(fields: Pick<Schemas['RobotCreate'], 'name' | 'description' | 'duration' | 'permissions'>) {
  return data(api.POST('/robots', { body: { ...fields, level: 'system', disable: false } }))
}

/** The first names of projects that contain a text. */
export function projectNames(text: string) {
  return queryOptions({
    queryKey: ['projects', 'names', text],
    queryFn: async () => {
      const { items } = await page(api.GET('/projects', { params: { query: { q: where(contains('name', text)), page_size: 10, sort: 'name' } } }))
      return items.map((p) => p.name)
    },
    placeholderData: (before) => before,
  })
}
