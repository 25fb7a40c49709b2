import type { Icon } from '@tabler/icons-react'
import { Link, type LinkProps, useLocation } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import classes from './PageTabs.module.css'

export interface PageTab {
  to: LinkProps['to']
  label: string
  icon: Icon
  exact?: boolean // where others are below its address
}

interface Props {
  label: string // what they are of, for those who cannot see it
  tabs: PageTab[]
  params?: LinkProps['params'] // of all their addresses
  many?: boolean // the icons go where all would not fit with them
}

/** Pages that belong together, as tabs: each has an address of its own. */
export function PageTabs({ label, tabs, params, many }: Props) {
  const nav = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  // Where there is no room for all, the one that is open is among those that are seen.
  useEffect(() => nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [pathname, tabs.length])
  return (
    <nav ref={nav} className={classes.tabs} data-many={many || undefined} aria-label={label}>
      {tabs.map(({ to, label: text, icon: Glyph, exact = false }) => (
        <Link key={text} className={classes.tab} to={to} params={params} activeOptions={{ exact, includeSearch: false }}><Glyph size={16} stroke={1.7} />{text}</Link>
      ))}
    </nav>
  )
}
