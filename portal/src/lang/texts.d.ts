// Names every file of texts, so that a key that does not exist does not compile.
// One line for each feature; en and zh have the same keys (lang.test.ts).
import 'i18next'
import type artifact from './en/artifact.json'
import type about from './en/about.json'
import type common from './en/common.json'
import type cron from './en/cron.json'
import type groups from './en/groups.json'
import type labels from './en/labels.json'
import type audit from './en/audit.json'
import type cleanup from './en/cleanup.json'
import type interrogation from './en/interrogation.json'
import type jobservice from './en/jobservice.json'
import type overview from './en/overview.json'
import type parts from './en/parts.json'
import type profile from './en/profile.json'
import type project from './en/project.json'
import type projects from './en/projects.json'
import type registries from './en/registries.json'
import type replications from './en/replications.json'
import type repositories from './en/repositories.json'
import type search from './en/search.json'
import type robots from './en/robots.json'
import type signin from './en/signin.json'
import type system from './en/system.json'
import type users from './en/users.json'
import type quotas from './en/quotas.json'
import type security from './en/security.json'
import type settings from './en/settings.json'
import type work from './en/work.json'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common'
    resources: {
      artifact: typeof artifact
      about: typeof about
      common: typeof common
      cron: typeof cron
      groups: typeof groups
      labels: typeof labels
      audit: typeof audit
      cleanup: typeof cleanup
      interrogation: typeof interrogation
      jobservice: typeof jobservice
      overview: typeof overview
      parts: typeof parts
      profile: typeof profile
      project: typeof project
      projects: typeof projects
      registries: typeof registries
      replications: typeof replications
      repositories: typeof repositories
      search: typeof search
      robots: typeof robots
      signin: typeof signin
      system: typeof system
      users: typeof users
      quotas: typeof quotas
      security: typeof security
      settings: typeof settings
      work: typeof work
    }
  }
}
