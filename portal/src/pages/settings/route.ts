import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'

export const settingsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'settings',
  component: lazyRouteComponent(() => import('./SettingsPage')),
})

export const authenticationTab = createRoute({
  getParentRoute: () => settingsRoute,
  path: '/',
  component: lazyRouteComponent(() => import('./AuthenticationTab')),
})

export const systemTab = createRoute({
  getParentRoute: () => settingsRoute,
  path: 'system',
  component: lazyRouteComponent(() => import('./SystemTab')),
})

export const auditTab = createRoute({
  getParentRoute: () => settingsRoute,
  path: 'audit-log',
  component: lazyRouteComponent(() => import('./AuditTab')),
})
