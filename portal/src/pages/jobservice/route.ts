import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

/** What the server does behind requests: a tab each for what waits, for schedules, and for workers. */
export const jobServiceRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'job-service',
  component: lazyRouteComponent(() => import('./JobServicePage')),
})

export const queuesTab = createRoute({
  getParentRoute: () => jobServiceRoute,
  path: '/',
  component: lazyRouteComponent(() => import('./QueuesTab')),
})

export const schedulesTab = createRoute({
  getParentRoute: () => jobServiceRoute,
  path: 'schedules',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./SchedulesTab')),
})

export const workersTab = createRoute({
  getParentRoute: () => jobServiceRoute,
  path: 'workers',
  component: lazyRouteComponent(() => import('./WorkersTab')),
})
