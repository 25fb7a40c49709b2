import { Tooltip } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import classes from './SeverityBar.module.css'

/** Severities, the worst first, as the API writes them. */
export const severities = ['Critical', 'High', 'Medium', 'Low', 'Negligible', 'Unknown'] as const
export type Severity = (typeof severities)[number]

/** How many findings there are of each severity, as a bar of so many colours. */
export function SeverityBar({ counts }: { counts: Partial<Record<string, number>> }) {
  const { t } = useTranslation('parts')
  const found = severities.map((s) => ({ severity: s, count: counts[s] ?? 0 })).filter((f) => f.count > 0)
  if (found.length === 0) return <span className={classes.none}>{t('severity.none')}</span>
  const text = found.map((f) => t('severity.count', { count: f.count, severity: t(`severity.${f.severity}`) })).join(', ')
  const worst = found[0]
  return (
    <Tooltip label={text}>
      <span className={classes.whole} role="img" aria-label={text}>
        <span className={classes.worst} data-severity={worst?.severity}>{worst?.count}</span>
        <span className={classes.bar}>
          {found.map((f) => <span key={f.severity} className={classes.part} data-severity={f.severity} style={{ flexGrow: f.count }} />)}
        </span>
      </span>
    </Tooltip>
  )
}

/** A severity, in its colour. */
export function SeverityMark({ severity }: { severity: string }) {
  const { t } = useTranslation('parts')
  const known = severities.find((s) => s === severity) ?? 'Unknown'
  return <span className={classes.mark} data-severity={known}>{t(`severity.${known}`)}</span>
}
