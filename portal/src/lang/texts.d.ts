// Names every file of texts, so that a key that does not exist does not compile.
// One line for each feature; en and zh have the same keys (lang.test.ts).
import 'i18next'
import type artifact from './en/artifact.json'
import type common from './en/common.json'
import type parts from './en/parts.json'
import type project from './en/project.json'
import type projects from './en/projects.json'
import type repositories from './en/repositories.json'
import type search from './en/search.json'
import type signin from './en/signin.json'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common'
    resources: {
      artifact: typeof artifact
      common: typeof common
      parts: typeof parts
      project: typeof project
      projects: typeof projects
      repositories: typeof repositories
      search: typeof search
      signin: typeof signin
    }
  }
}
