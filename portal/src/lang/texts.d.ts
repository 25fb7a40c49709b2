// Names every file of texts, so that a key that does not exist does not compile.
// One line for each feature; en and zh have the same keys (lang.test.ts).
import 'i18next'
import type about from './en/about.json'
import type artifact from './en/artifact.json'
import type audit from './en/audit.json'
import type cleanup from './en/cleanup.json'
import type common from './en/common.json'
import type cron from './en/cron.json'
import type groups from './en/groups.json'
import type immutability from './en/immutability.json'
import type interrogation from './en/interrogation.json'
import type jobservice from './en/jobservice.json'
import type labels from './en/labels.json'
import type members from './en/members.json'
import type overview from './en/overview.json'
import type parts from './en/parts.json'
import type policy from './en/policy.json'
import type profile from './en/profile.json'
import type project from './en/project.json'
import type projectConfig from './en/projectConfig.json'
import type projectScanner from './en/projectScanner.json'
import type projects from './en/projects.json'
import type quotas from './en/quotas.json'
import type registries from './en/registries.json'
import type replications from './en/replications.json'
import type repositories from './en/repositories.json'
import type retention from './en/retention.json'
import type robots from './en/robots.json'
import type search from './en/search.json'
import type security from './en/security.json'
import type settings from './en/settings.json'
import type signin from './en/signin.json'
import type system from './en/system.json'
import type trust from './en/trust.json'
import type users from './en/users.json'
import type webhooks from './en/webhooks.json'
import type work from './en/work.json'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common'
    resources: {
      about: typeof about
      artifact: typeof artifact
      audit: typeof audit
      cleanup: typeof cleanup
      common: typeof common
      cron: typeof cron
      groups: typeof groups
      immutability: typeof immutability
      interrogation: typeof interrogation
      jobservice: typeof jobservice
      labels: typeof labels
      members: typeof members
      overview: typeof overview
      parts: typeof parts
      policy: typeof policy
      profile: typeof profile
      project: typeof project
      projectConfig: typeof projectConfig
      projectScanner: typeof projectScanner
      projects: typeof projects
      quotas: typeof quotas
      registries: typeof registries
      replications: typeof replications
      repositories: typeof repositories
      retention: typeof retention
      robots: typeof robots
      search: typeof search
      security: typeof security
      settings: typeof settings
      signin: typeof signin
      system: typeof system
      trust: typeof trust
      users: typeof users
      webhooks: typeof webhooks
      work: typeof work
    }
  }
}
