import { Text } from '@mantine/core'
import { ExternalLink, safeUrl } from '~/parts/ExternalLink'
import { Facts } from '~/parts/Facts'
import classes from './artifact.module.css'
import { valueOf } from './values'

/** Names and values of whatever kind, which somebody else wrote. */
export function Attributes({ of }: { of: Record<string, unknown> }) {
  return <Facts facts={Object.entries(of).map(([name, value]) => [name, shown(value)])} />
}

function shown(v: unknown): React.ReactNode {
  const value = valueOf(v)
  if (!value) return undefined
  if (value.kind === 'text') return safeUrl(value.text) ? <ExternalLink url={value.text} /> : <Text inherit style={{ whiteSpace: 'pre-wrap' }}>{value.text}</Text>
  if (value.kind === 'json') return <pre className={classes.value} tabIndex={0}>{value.text}</pre>
  return <ul className={classes.lines}>{value.lines.map((line, i) => <li key={i}>{safeUrl(line) ? <ExternalLink url={line} /> : line}</li>)}</ul>
}
