import { useTranslation } from 'react-i18next'
import type { Schemas } from '~/api/client'
import { Count } from '~/parts/Bytes'
import { severities, SeverityMark } from '~/parts/SeverityBar'
import classes from './artifact.module.css'

/** How many vulnerabilities there are of each severity, as bars. */
export function Severities({ summary }: { summary: Schemas['VulnerabilitySummary'] }) {
  const { t } = useTranslation('artifact')
  const counts = severities.map((s) => ({ severity: s, count: summary.summary[s] ?? 0 }))
  const most = Math.max(1, ...counts.map((c) => c.count))
  return (
    <div className={classes.findings}>
      <div>
        <div className={classes.total}><Count value={summary.total} /></div>
        <div>{t('findings.total', { count: summary.total })}</div>
        {summary.total > 0 && <div className={classes.dimmed}>{t('findings.canFix', { count: summary.fixable })}</div>}
      </div>
      <div className={classes.severities}>
        {counts.map(({ severity, count }) => (
          <div key={severity} className={classes.severity} data-severity={severity}>
            <SeverityMark severity={severity} />
            <span className={classes.track}><span className={classes.fill} style={{ width: `${(count / most) * 100}%` }} /></span>
            <span className={classes.end}><Count value={count} /></span>
          </div>
        ))}
      </div>
    </div>
  )
}
