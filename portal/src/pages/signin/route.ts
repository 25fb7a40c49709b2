import { createRoute, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { me } from '~/api/session'
import { rootRoute } from '~/app/roots'
import { here } from './here'

export const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: 'signin',
  validateSearch: (raw: Record<string, unknown>): { to?: string } => ({ to: here(raw['to']) }),
  beforeLoad: async ({ context: { queries }, search }) => {
    if (await queries.ensureQueryData(me)) throw redirect({ href: search.to ?? '/projects' })
  },
  component: lazyRouteComponent(() => import('./SignInPage')),
})
