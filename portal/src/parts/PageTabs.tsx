import type { Icon } from '@tabler/icons-react'
import { Link, type LinkProps } from '@tanstack/react-router'
import classes from './PageTabs.module.css'

export interface PageTab {
  to: LinkProps['to']
  label: string
  icon: Icon
  exact?: boolean // where others are below its address
}

/** Pages that belong together, as tabs: each has an address of its own. */
export function PageTabs({ label, tabs }: { label: string; tabs: PageTab[] }) {
  return (
    <nav className={classes.tabs} aria-label={label}>
      {tabs.map(({ to, label: text, icon: Glyph, exact = false }) => (
        <Link key={text} className={classes.tab} to={to} activeOptions={{ exact, includeSearch: false }}><Glyph size={16} stroke={1.7} />{text}</Link>
      ))}
    </nav>
  )
}
