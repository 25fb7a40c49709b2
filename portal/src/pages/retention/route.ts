import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const retentionTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'policy',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./RetentionTab')),
})

/** One run of the retention policy, by its id, with what became of each repository. */
export const retentionRunRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: 'policy/runs/$run',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./RunPage')),
})
