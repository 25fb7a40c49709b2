import { Tooltip } from '@mantine/core'
import classes from './LabelMark.module.css'

interface Props {
  name: string
  color: string // #RRGGBB, or whatever somebody wrote
  description?: string
  children?: React.ReactNode // a button that takes it away
}

/** A label, with its colour before it. */
export function LabelMark({ name, color, description, children }: Props) {
  const known = /^#[0-9a-f]{6}$/i.test(color) ? color : undefined
  const mark = <span className={classes.label}><span className={classes.dot} style={{ background: known }} />{name}{children}</span>
  return description ? <Tooltip label={description} multiline maw={320}>{mark}</Tooltip> : mark
}
