import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { shellRoute } from '~/app/roots'

export const aboutRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: 'about',
  component: lazyRouteComponent(() => import('./AboutPage')),
})
