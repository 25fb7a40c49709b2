import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const trustTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'policy/trust',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./TrustTab')),
})
