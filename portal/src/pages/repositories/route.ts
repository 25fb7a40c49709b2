import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { shellRoute } from '~/app/roots'
import { projectRoute } from '~/pages/project/route'
import { listSearch } from '~/parts/useList'

export const repositoriesTab = createRoute({
  getParentRoute: () => projectRoute,
  path: 'repositories',
  validateSearch: listSearch(),
  component: lazyRouteComponent(() => import('./RepositoriesTab')),
})

/** A repository with its artifacts. $repository is its name without the project. */
export const artifactsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: 'projects/$project/repositories/$repository',
  validateSearch: listSearch('tags', 'label'),
  component: lazyRouteComponent(() => import('./ArtifactsPage')),
})
