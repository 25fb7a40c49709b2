import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const systemLabelsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'labels',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./SystemLabelsPage')),
})
