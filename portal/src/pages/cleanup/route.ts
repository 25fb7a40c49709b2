import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

/** What makes room: a tab for garbage, one for the audit log. */
export const cleanupRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'clean-up',
  component: lazyRouteComponent(() => import('./CleanupPage')),
})

export const garbageTab = createRoute({
  getParentRoute: () => cleanupRoute,
  path: '/',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./GarbageTab')),
})

export const rotationTab = createRoute({
  getParentRoute: () => cleanupRoute,
  path: 'log-rotation',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./RotationTab')),
})
