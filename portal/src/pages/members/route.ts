import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const membersTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'members',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./MembersTab')),
})
