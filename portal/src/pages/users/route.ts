import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const usersRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'users',
  validateSearch: listSearch('admins'),
  component: lazyRouteComponent(() => import('./UsersPage')),
})
