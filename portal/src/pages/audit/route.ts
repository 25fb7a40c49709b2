import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'
import { filters } from './queries'

export const auditRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'audit-log',
  validateSearch: listSearch(...filters),
  component: lazyRouteComponent(() => import('./AuditPage')),
})

export const logsTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'logs',
  validateSearch: listSearch(...filters),
  component: lazyRouteComponent(() => import('./LogsTab')),
})
