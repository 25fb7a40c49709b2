import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { shellRoute } from '~/app/roots'
import { projectNamed } from '~/pages/projects/queries'

/** A project, around its tabs. */
export const projectRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: 'projects/$project',
  loader: ({ context: { queries }, params }) => queries.ensureQueryData(projectNamed(params.project)),
  component: lazyRouteComponent(() => import('./ProjectPage')),
})
