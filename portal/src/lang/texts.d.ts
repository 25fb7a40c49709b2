// Names every file of texts, so that a key that does not exist does not compile.
// One line for each feature; en and zh have the same keys (lang.test.ts).
import 'i18next'
import type common from './en/common.json'
import type cron from './en/cron.json'
import type immutability from './en/immutability.json'
import type labels from './en/labels.json'
import type members from './en/members.json'
import type parts from './en/parts.json'
import type policy from './en/policy.json'
import type project from './en/project.json'
import type projectConfig from './en/projectConfig.json'
import type projectLogs from './en/projectLogs.json'
import type projectScanner from './en/projectScanner.json'
import type projects from './en/projects.json'
import type repositories from './en/repositories.json'
import type retention from './en/retention.json'
import type robots from './en/robots.json'
import type signin from './en/signin.json'
import type trust from './en/trust.json'
import type webhooks from './en/webhooks.json'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common'
    resources: {
      common: typeof common
      cron: typeof cron
      immutability: typeof immutability
      labels: typeof labels
      members: typeof members
      parts: typeof parts
      policy: typeof policy
      project: typeof project
      projectConfig: typeof projectConfig
      projectLogs: typeof projectLogs
      projectScanner: typeof projectScanner
      projects: typeof projects
      repositories: typeof repositories
      retention: typeof retention
      robots: typeof robots
      signin: typeof signin
      trust: typeof trust
      webhooks: typeof webhooks
    }
  }
}
