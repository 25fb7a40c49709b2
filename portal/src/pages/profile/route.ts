import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { memberRoute } from '~/app/roots'

export const profileRoute = createRoute({
  getParentRoute: () => memberRoute,
  path: 'profile',
  component: lazyRouteComponent(() => import('./ProfilePage')),
})
