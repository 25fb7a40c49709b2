import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const securityRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'security',
  validateSearch: listSearch('severity', 'cve', 'package', 'repository', 'project', 'tag', 'digest', 'status', 'least', 'most'),
  component: lazyRouteComponent(() => import('./SecurityPage')),
})

export const exportsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'security/exports',
  component: lazyRouteComponent(() => import('./ExportsPage')),
})
