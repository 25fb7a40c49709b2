import { type Icon, IconApi, IconStack2 } from '@tabler/icons-react'
import type { LinkProps } from '@tanstack/react-router'

/** An entry of the navigation. Its label is the key navigation.NAME of common.json. */
export interface Entry {
  name: 'projects'
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
export const administrators: Entry[] = []

/** Pages that the server makes. */
export const elsewhere = [{ name: 'api', href: '/api/v2.0/docs', icon: IconApi }] as const
