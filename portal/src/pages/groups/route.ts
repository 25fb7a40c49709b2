import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const groupsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'groups',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./GroupsPage')),
})
