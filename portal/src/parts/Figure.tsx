import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import classes from './Figure.module.css'
import { Panel } from './Panel'

interface Props {
  title: string
  note?: ReactNode // below it
  small?: boolean // shown as a text of its size: a bar, say
  children: ReactNode
}

/** A number that stands for itself. */
export function Figure({ title, note, small, children }: Props) {
  return <Panel><div className={classes.title}>{title}</div><div className={small ? undefined : classes.figure}>{children ?? '–'}</div>{note !== undefined && <Text size="sm" c="dimmed" component="div">{note}</Text>}</Panel>
}
