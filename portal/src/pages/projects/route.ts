import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { shellRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const projectsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: 'projects',
  validateSearch: listSearch('public'),
  component: lazyRouteComponent(() => import('./ProjectsPage')),
})
