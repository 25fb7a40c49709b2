import { IconTag } from '@tabler/icons-react'
import { isColor, textOn } from './color'
import classes from './Labels.module.css'

/** A label in its colour. */
export function LabelChip({ name, color }: { name: string; color: string }) {
  const ground = isColor(color) ? color : '#d2d9de'
  return <span className={classes.chip} style={{ background: ground, color: textOn(ground) }}><IconTag size={13} aria-hidden /><span>{name}</span></span>
}
