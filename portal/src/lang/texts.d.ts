// Names every file of texts, so that a key that does not exist does not compile.
// One line for each feature; en and zh have the same keys (lang.test.ts).
import 'i18next'
import type audit from './en/audit.json'
import type cleanup from './en/cleanup.json'
import type common from './en/common.json'
import type cron from './en/cron.json'
import type interrogation from './en/interrogation.json'
import type jobservice from './en/jobservice.json'
import type overview from './en/overview.json'
import type parts from './en/parts.json'
import type project from './en/project.json'
import type projects from './en/projects.json'
import type quotas from './en/quotas.json'
import type repositories from './en/repositories.json'
import type security from './en/security.json'
import type settings from './en/settings.json'
import type signin from './en/signin.json'
import type work from './en/work.json'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common'
    resources: {
      audit: typeof audit
      cleanup: typeof cleanup
      common: typeof common
      cron: typeof cron
      interrogation: typeof interrogation
      jobservice: typeof jobservice
      overview: typeof overview
      parts: typeof parts
      project: typeof project
      projects: typeof projects
      quotas: typeof quotas
      repositories: typeof repositories
      security: typeof security
      settings: typeof settings
      signin: typeof signin
      work: typeof work
    }
  }
}
