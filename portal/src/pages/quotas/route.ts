import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const quotasRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'quotas',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./QuotasPage')),
})
