import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const webhooksTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'webhooks',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./WebhooksTab')),
})

/** A policy with what was sent. $policy is its id. */
export const webhookRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: 'webhooks/$policy',
  validateSearch: listSearch('status'),
  component: lazyRouteComponent(() => import('./WebhookPage')),
})
