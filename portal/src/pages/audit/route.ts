import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const auditRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'audit-log',
  validateSearch: listSearch('operation', 'type', 'user', 'result', 'from', 'to'),
  component: lazyRouteComponent(() => import('./AuditPage')),
})
