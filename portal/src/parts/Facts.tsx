import type { ReactNode } from 'react'
import classes from './Facts.module.css'

/** Names and values, one below the other. Those without a value are left out. */
export function Facts({ facts }: { facts: [name: string, value: ReactNode][] }) {
  return (
    <dl className={classes.facts}>
      {facts.filter(([, value]) => value !== undefined && value !== null && value !== false && value !== '').map(([name, value]) => (
        <div key={name} className={classes.fact}><dt>{name}</dt><dd>{value}</dd></div>
      ))}
    </dl>
  )
}
