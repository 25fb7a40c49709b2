import { Group, Title } from '@mantine/core'
import type { ReactNode } from 'react'
import classes from './Panel.module.css'

interface Props {
  title?: string
  actions?: ReactNode
  children: ReactNode
  flush?: boolean // without a margin inside, for tables
}

/** A part of a page, with a border around it. */
export function Panel({ title, actions, children, flush = false }: Props) {
  return (
    <section className={classes.panel} data-flush={flush || undefined}>
      {title && <Group className={classes.head} justify="space-between"><Title order={2}>{title}</Title>{actions}</Group>}
      {children}
    </section>
  )
}
