import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute, memberRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const securityRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'security',
  validateSearch: listSearch('severity', 'cve', 'package', 'repository', 'project', 'tag', 'digest', 'status', 'least', 'most'),
  component: lazyRouteComponent(() => import('./SecurityPage')),
})

export const exportsRoute = createRoute({
  getParentRoute: () => memberRoute,
  path: 'exports',
  validateSearch: ({ project }: Record<string, unknown>): { project?: string } => (typeof project === 'string' ? { project } : {}),
  component: lazyRouteComponent(() => import('./ExportsPage')),
})
