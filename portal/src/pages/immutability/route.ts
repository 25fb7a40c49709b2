import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const immutabilityTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'policy/immutability',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./ImmutabilityTab')),
})
