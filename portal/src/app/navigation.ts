import { type Icon, IconApi, IconArrowsExchange, IconRobot, IconServer2, IconStack2, IconTag, IconUser, IconUsersGroup } from '@tabler/icons-react'
import type { LinkProps } from '@tanstack/react-router'

/** An entry of the navigation. Its label is the key navigation.NAME of common.json. */
export interface Entry {
  name: 'projects' | 'users' | 'groups' | 'robots' | 'registries' | 'replications' | 'labels'
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
  { name: 'users', to: '/users', icon: IconUser },
  { name: 'groups', to: '/groups', icon: IconUsersGroup },
  { name: 'robots', to: '/robots', icon: IconRobot },
  { name: 'registries', to: '/registries', icon: IconServer2 },
  { name: 'replications', to: '/replications', icon: IconArrowsExchange },
  { name: 'labels', to: '/labels', icon: IconTag },
]

/** Pages that the server makes. */
export const elsewhere = [{ name: 'api', href: '/api/v2.0/docs', icon: IconApi }] as const
