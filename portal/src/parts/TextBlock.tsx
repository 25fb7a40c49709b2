import { Group } from '@mantine/core'
import { Copy } from './CopyCommand'
import classes from './TextBlock.module.css'

/** A longer text as it is: a log, a file. */
export function TextBlock({ text, label }: { text: string; label: string }) {
  return (
    <div className={classes.whole}>
      <Group className={classes.copy}><Copy text={text} /></Group>
      <pre className={classes.text} tabIndex={0} role="region" aria-label={label}>{text}</pre>
    </div>
  )
}
