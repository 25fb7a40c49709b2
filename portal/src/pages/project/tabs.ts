import { type Icon, IconLayoutDashboard, IconPackage } from '@tabler/icons-react'

/** A tab of a project. Its label is the key tabs.NAME of project.json. */
export interface Tab {
  name: 'summary' | 'repositories'
  to: `/projects/$project${string}`
  icon: Icon
  needs?: [resource: string, action: string] // the right to see it; none: everybody who sees the project
}

/** The tabs, in their order: a line for each. */
export const tabs = [
  { name: 'summary', to: '/projects/$project', icon: IconLayoutDashboard },
  { name: 'repositories', to: '/projects/$project/repositories', icon: IconPackage, needs: ['repository', 'list'] },
] as const satisfies Tab[]
