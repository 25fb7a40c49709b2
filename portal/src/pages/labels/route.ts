import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const labelsTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'labels',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./LabelsTab')),
})
