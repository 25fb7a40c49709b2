import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { shellRoute } from '~/app/roots'

export const searchRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: 'search',
  validateSearch: (raw: Record<string, unknown>): { q?: string } => (typeof raw['q'] === 'string' || typeof raw['q'] === 'number' ? { q: String(raw['q']) } : {}),
  component: lazyRouteComponent(() => import('./SearchPage')),
})
