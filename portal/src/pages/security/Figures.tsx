import { Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Count } from '~/parts/Bytes'
import { Facts } from '~/parts/Facts'
import { TextLink } from '~/parts/links'
import { Panel } from '~/parts/Panel'
import { severities } from '~/parts/SeverityBar'
import classes from './Figures.module.css'
import type { Summary } from './queries'

/** How much was found of each severity: a bar, and the numbers, which lead to the findings. */
export function Totals({ summary }: { summary: Summary }) {
  const { t } = useTranslation('security')
  const { t: say } = useTranslation('parts')
  const counts = {
    Critical: summary.critical_cnt, High: summary.high_cnt, Medium: summary.medium_cnt, Low: summary.low_cnt, Negligible: summary.none_cnt, Unknown: summary.unknown_cnt,
  }
  return (
    <Panel title={t('totals.title')}>
      <div className={classes.total}><Count value={summary.total_vuls} /> <Text component="span" size="sm" c="dimmed">{t('totals.fixable', { count: summary.fixable_cnt })}</Text></div>
      <div className={classes.bar} aria-hidden>
        {severities.map((s) => counts[s] > 0 && <span key={s} data-severity={s} style={{ flexGrow: counts[s] }} />)}
      </div>
      <ul className={classes.legend}>
        {severities.map((s) => (
          <li key={s}><Link to="/security" search={{ severity: s }} className={classes.entry} data-severity={s}><span>{say(`severity.${s}`)}</span><b><Count value={counts[s]} /></b></Link></li>
        ))}
      </ul>
    </Panel>
  )
}

/** How much of what there is was looked at. */
export function Coverage({ summary }: { summary: Summary }) {
  const { t } = useTranslation('security')
  const share = summary.total_artifact > 0 ? Math.round((summary.scanned_cnt / summary.total_artifact) * 100) : 0
  return (
    <Panel title={t('coverage.title')} actions={<TextLink size="sm" to="/interrogation/scan-all">{t('coverage.scan')}</TextLink>}>
      <div className={classes.total}>{share} % <Text component="span" size="sm" c="dimmed">{t('coverage.of')}</Text></div>
      <div className={classes.bar} aria-hidden><span className={classes.scanned} style={{ flexGrow: summary.scanned_cnt }} /><span style={{ flexGrow: Math.max(summary.total_artifact - summary.scanned_cnt, 0) }} /></div>
      <Facts facts={[[t('coverage.scanned'), <Count key="s" value={summary.scanned_cnt} />], [t('coverage.artifacts'), <Count key="a" value={summary.total_artifact} />]]} />
      {summary.scanned_cnt === 0 && <Text mt="sm" c="dimmed">{t('coverage.none')}</Text>}
    </Panel>
  )
}
