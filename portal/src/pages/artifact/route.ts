import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { shellRoute } from '~/app/roots'
import { projectNamed } from '~/pages/projects/queries'
import { listSearch } from '~/parts/useList'
import { artifactAt } from './queries'

/** An artifact, around its tabs. $reference is a tag or a digest. */
export const artifactRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: 'projects/$project/repositories/$repository/artifacts/$reference',
  loader: async ({ context: { queries }, params }) => {
    await Promise.all([queries.ensureQueryData(projectNamed(params.project)), queries.ensureQueryData(artifactAt(params))])
  },
  component: lazyRouteComponent(() => import('./ArtifactPage')),
})

const overview = createRoute({ getParentRoute: () => artifactRoute, path: '/', component: lazyRouteComponent(() => import('./OverviewTab')) })
const tags = createRoute({ getParentRoute: () => artifactRoute, path: 'tags', validateSearch: listSearch(), component: lazyRouteComponent(() => import('./TagsTab')) })
const vulnerabilities = createRoute({
  getParentRoute: () => artifactRoute,
  path: 'vulnerabilities',
  validateSearch: listSearch('severity', 'fixable'),
  component: lazyRouteComponent(() => import('./VulnerabilitiesTab')),
})
const sbom = createRoute({ getParentRoute: () => artifactRoute, path: 'sbom', validateSearch: listSearch(), component: lazyRouteComponent(() => import('./SbomTab')) })
const history = createRoute({ getParentRoute: () => artifactRoute, path: 'history', component: lazyRouteComponent(() => import('./HistoryTab')) })
const accessories = createRoute({ getParentRoute: () => artifactRoute, path: 'accessories', validateSearch: listSearch(), component: lazyRouteComponent(() => import('./AccessoriesTab')) })
const content = createRoute({ getParentRoute: () => artifactRoute, path: 'content', component: lazyRouteComponent(() => import('./ContentTab')) })

export const artifactTabs = [overview, tags, vulnerabilities, sbom, history, accessories, content] as const
