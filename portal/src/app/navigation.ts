import { type Icon, IconApi, IconArrowsExchange, IconDashboard, IconDatabase, IconHistory, IconListDetails, IconRadar2, IconRecycle, IconRobot, IconServer2, IconSettings, IconShieldExclamation, IconStack2, IconTag, IconUser, IconUsersGroup } from '@tabler/icons-react'
import type { LinkProps } from '@tanstack/react-router'

/** An entry of the navigation. Its label is the key navigation.NAME of common.json. */
export interface Entry {
  name:
    | 'projects' | 'overview' | 'security' | 'interrogation' | 'users' | 'groups' | 'robots' | 'registries' | 'replications' | 'labels'
    | 'quotas' | 'cleanup' | 'jobs' | 'audit' | 'settings'
  to: LinkProps['to']
  icon: Icon
}

/** What everybody has. */
export const everybody: Entry[] = [
  { name: 'projects', to: '/projects', icon: IconStack2 },
]

/** What those who have signed in have besides. */
export const members: Entry[] = []

/** What administrators have besides. */
export const administrators: Entry[] = [
  { name: 'overview', to: '/overview', icon: IconDashboard },
  { name: 'security', to: '/security', icon: IconShieldExclamation },
  { name: 'interrogation', to: '/interrogation', icon: IconRadar2 },
  { name: 'users', to: '/users', icon: IconUser },
  { name: 'groups', to: '/groups', icon: IconUsersGroup },
  { name: 'robots', to: '/robots', icon: IconRobot },
  { name: 'registries', to: '/registries', icon: IconServer2 },
  { name: 'replications', to: '/replications', icon: IconArrowsExchange },
  { name: 'labels', to: '/labels', icon: IconTag },
  { name: 'quotas', to: '/quotas', icon: IconDatabase },
  { name: 'cleanup', to: '/clean-up', icon: IconRecycle },
  { name: 'jobs', to: '/job-service', icon: IconListDetails },
  { name: 'audit', to: '/audit-log', icon: IconHistory },
  { name: 'settings', to: '/settings', icon: IconSettings },
]

/** Pages that the server makes. */
export const elsewhere = [{ name: 'api', href: '/api/v2.0/docs', icon: IconApi }] as const
