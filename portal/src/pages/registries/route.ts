import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { adminRoute } from '~/app/roots'
import { listSearch } from '~/parts/useList'

export const registriesRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: 'registries',
  validateSearch: listSearch('status'),
  component: lazyRouteComponent(() => import('./RegistriesPage')),
})
