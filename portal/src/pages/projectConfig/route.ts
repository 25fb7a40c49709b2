import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'

export const configurationTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'configuration',
  component: lazyRouteComponent(() => import('./ConfigurationTab')),
})
