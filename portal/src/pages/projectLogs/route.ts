import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const logsTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'logs',
  validateSearch: listSearch('user', 'operation', 'type', 'result', 'from', 'to'),
  component: lazyRouteComponent(() => import('./LogsTab')),
})
