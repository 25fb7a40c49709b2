import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

/** What looks into artifacts: a tab each for scanners, scans of all, advisories, and what is allowed. */
export const interrogationRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'interrogation',
  component: lazyRouteComponent(() => import('./InterrogationPage')),
})

export const scannersTab = createRoute({
  getParentRoute: () => interrogationRoute,
  path: '/',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./ScannersTab')),
})

export const scanAllTab = createRoute({
  getParentRoute: () => interrogationRoute,
  path: 'scan-all',
  component: lazyRouteComponent(() => import('./ScanAllTab')),
})

export const advisoriesTab = createRoute({
  getParentRoute: () => interrogationRoute,
  path: 'advisories',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./AdvisoriesTab')),
})

export const allowlistTab = createRoute({
  getParentRoute: () => interrogationRoute,
  path: 'allowlist',
  component: lazyRouteComponent(() => import('./AllowlistTab')),
})
