import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'

/** The registry at a glance, for administrators. */
export const overviewRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'overview',
  component: lazyRouteComponent(() => import('./OverviewPage')),
})
