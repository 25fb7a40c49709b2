import { createRoute, createRouter, redirect } from '@tanstack/react-router'
import { me } from '~/api/session'
import { aboutRoute } from '~/pages/about/route'
import { artifactRoute, artifactTabs } from '~/pages/artifact/route'
import { auditRoute, logsTab } from '~/pages/audit/route'
import { cleanupRoute, garbageTab, rotationTab } from '~/pages/cleanup/route'
import { groupsRoute } from '~/pages/groups/route'
import { immutabilityTab } from '~/pages/immutability/route'
import { advisoriesTab, allowlistTab, interrogationRoute, scanAllTab, scannersTab } from '~/pages/interrogation/route'
import { jobServiceRoute, queuesTab, schedulesTab, workersTab } from '~/pages/jobservice/route'
import { labelsTab } from '~/pages/labels/route'
import { membersTab } from '~/pages/members/route'
import { overviewRoute } from '~/pages/overview/route'
import { profileRoute } from '~/pages/profile/route'
import { projectRoute } from '~/pages/project/route'
import { configurationTab } from '~/pages/projectConfig/route'
import { scannerTab } from '~/pages/projectScanner/route'
import { projectsRoute } from '~/pages/projects/route'
import { quotasRoute } from '~/pages/quotas/route'
import { registriesRoute } from '~/pages/registries/route'
import { executionRoute, replicationsRoute, ruleRoute } from '~/pages/replications/route'
import { artifactsRoute, repositoriesTab } from '~/pages/repositories/route'
import { retentionRunRoute, retentionTab } from '~/pages/retention/route'
import { robotsTab } from '~/pages/robots/route'
import { searchRoute } from '~/pages/search/route'
import { exportsRoute, securityRoute } from '~/pages/security/route'
import { auditTab, authenticationTab, settingsRoute, systemTab } from '~/pages/settings/route'
import { signInRoute } from '~/pages/signin/route'
import { summaryTab } from '~/pages/summary/route'
import { systemLabelsRoute } from '~/pages/systemLabels/route'
import { systemRobotsRoute } from '~/pages/systemRobots/route'
import { trustTab } from '~/pages/trust/route'
import { usersRoute } from '~/pages/users/route'
import { webhookRoute, webhooksTab } from '~/pages/webhooks/route'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { NotFound, PageError } from './PageError'
import { queries } from './queries'
import { adminRoute, memberRoute, rootRoute, shellRoute } from './roots'

/** The front door: to those who are known their projects, to others the sign. */
const home = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  beforeLoad: async () => {
    throw redirect({ to: (await queries.ensureQueryData(me)) ? '/projects' : '/signin' })
  },
})

/** What no other line has. */
const rest = createRoute({ getParentRoute: () => shellRoute, path: '$', component: NotFound })

// The table of pages: a line for each.
const tree = rootRoute.addChildren([
  home,
  signInRoute,
  shellRoute.addChildren([
    projectsRoute,
    projectRoute.addChildren([
      summaryTab,
      repositoriesTab,
      membersTab,
      labelsTab,
      scannerTab,
      retentionTab,
      retentionRunRoute,
      immutabilityTab,
      trustTab,
      robotsTab,
      webhooksTab,
      webhookRoute,
      logsTab,
      configurationTab,
    ]),
    artifactsRoute,
    artifactRoute.addChildren([...artifactTabs]),
    searchRoute,
    aboutRoute,
    memberRoute.addChildren([
      profileRoute,
      exportsRoute,
      adminRoute.addChildren([
        usersRoute,
        groupsRoute,
        systemRobotsRoute,
        registriesRoute,
        replicationsRoute,
        ruleRoute,
        executionRoute,
        systemLabelsRoute,
        overviewRoute,
        securityRoute,
        interrogationRoute.addChildren([scannersTab, scanAllTab, advisoriesTab, allowlistTab]),
        quotasRoute,
        cleanupRoute.addChildren([garbageTab, rotationTab]),
        jobServiceRoute.addChildren([queuesTab, schedulesTab, workersTab]),
        auditRoute,
        settingsRoute.addChildren([authenticationTab, systemTab, auditTab]),
      ]),
    ]),
    rest,
  ]),
])

export const router = createRouter({
  routeTree: tree,
  context: { queries },
  defaultPendingComponent: PageSkeleton,
  defaultErrorComponent: PageError, // of the page alone: what stands around it stays
  defaultPendingMs: 150,
  defaultPreload: 'intent',
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
