import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const replicationsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'replications',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./ReplicationsPage')),
})

/** A rule with its executions. */
export const ruleRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'replications/$rule',
  validateSearch: listSearch('status', 'trigger'),
  component: lazyRouteComponent(() => import('./RulePage')),
})

/** An execution with its tasks. */
export const executionRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'replications/$rule/executions/$execution',
  validateSearch: listSearch('status'),
  component: lazyRouteComponent(() => import('./ExecutionPage')),
})
