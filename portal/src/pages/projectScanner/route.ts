import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { projectRoute } from '~/pages/project/route'

export const scannerTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'scanner',
  component: lazyRouteComponent(() => import('./ScannerTab')),
})
