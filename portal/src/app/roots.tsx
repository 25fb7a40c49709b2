import { createRootRouteWithContext, createRoute, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router'
import type { QueryClient } from '@tanstack/react-query'
import { isAdmin, me, systemInfo } from '~/api/session'
import { PageError } from './PageError'

/** Everything: pages without navigation, like the one to sign in, hang here. */
export const rootRoute = createRootRouteWithContext<{ queries: QueryClient }>()({
  component: Outlet,
  errorComponent: PageError,
  beforeLoad: async ({ context: { queries } }) => {
    await Promise.all([queries.ensureQueryData(me), queries.ensureQueryData(systemInfo)])
  },
})

/** Pages with the navigation around them, for everybody. */
export const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  component: lazyRouteComponent(() => import('./Shell'), 'Shell'),
  errorComponent: PageError,
})

/** Pages for those who have signed in; others do that first. */
export const memberRoute = createRoute({
  getParentRoute: () => shellRoute,
  id: 'member',
  beforeLoad: async ({ context: { queries }, location }) => {
    if ((await queries.ensureQueryData(me)) === null) throw redirect({ to: '/signin', search: { to: location.href } })
  },
})

/** Pages for administrators. */
export const adminRoute = createRoute({
  getParentRoute: () => memberRoute,
  id: 'admin',
  beforeLoad: async ({ context: { queries } }) => {
    const user = await queries.ensureQueryData(me)
    if (!isAdmin(user)) throw redirect({ to: '/projects' })
  },
})
