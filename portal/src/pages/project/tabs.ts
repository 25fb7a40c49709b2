import { type Icon, IconClipboardCheck, IconHistory, IconLayoutDashboard, IconPackage, IconRobot, IconSettings, IconShieldSearch, IconTag, IconUsers, IconWebhook } from '@tabler/icons-react'

/** A tab of a project. Its label is the key tabs.NAME of project.json. */
export interface Tab {
  name: 'summary' | 'repositories' | 'members' | 'labels' | 'scanner' | 'policy' | 'robots' | 'webhooks' | 'logs' | 'configuration'
  to: `/projects/$project${string}`
  icon: Icon
  needs?: [resource: string, action: string] // the right to see it; none: everybody who sees the project
}

/** The tabs, in their order: a line for each. */
export const tabs = [
  { name: 'summary', to: '/projects/$project', icon: IconLayoutDashboard },
  { name: 'repositories', to: '/projects/$project/repositories', icon: IconPackage, needs: ['repository', 'list'] },
  { name: 'members', to: '/projects/$project/members', icon: IconUsers, needs: ['member', 'list'] },
  { name: 'labels', to: '/projects/$project/labels', icon: IconTag, needs: ['label', 'list'] },
  { name: 'scanner', to: '/projects/$project/scanner', icon: IconShieldSearch, needs: ['scanner', 'read'] },
  { name: 'policy', to: '/projects/$project/policy', icon: IconClipboardCheck, needs: ['tag-retention', 'list'] },
  { name: 'robots', to: '/projects/$project/robots', icon: IconRobot, needs: ['robot', 'list'] },
  { name: 'webhooks', to: '/projects/$project/webhooks', icon: IconWebhook, needs: ['notification-policy', 'list'] },
  { name: 'logs', to: '/projects/$project/logs', icon: IconHistory, needs: ['log', 'list'] },
  { name: 'configuration', to: '/projects/$project/configuration', icon: IconSettings, needs: ['configuration', 'read'] },
] as const satisfies Tab[]
