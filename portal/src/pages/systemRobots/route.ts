import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const systemRobotsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'robots',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./SystemRobotsPage')),
})
