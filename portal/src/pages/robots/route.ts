import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const robotsTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'robots',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./RobotsTab')),
})
