import { Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { TextLink } from '~/parts/links'
import { shortDigest } from '~/parts/names'
import { Panel } from '~/parts/Panel'
import { SeverityBar, SeverityMark } from '~/parts/SeverityBar'
import { ArtifactLink } from './ArtifactLink'
import classes from './Figures.module.css'
import type { Summary } from './queries'

/** The artifacts with the most of the worst findings. */
export function WorstArtifacts({ artifacts }: { artifacts: NonNullable<Summary['dangerous_artifacts']> }) {
  const { t } = useTranslation('security')
  return (
    <Panel title={t('worst.artifacts')} flush>
      <table className={classes.plain} aria-label={t('worst.artifacts')}>
        <thead className={classes.hidden}><tr><th>{t('artifact')}</th><th>{t('title')}</th></tr></thead>
        <tbody>
          {artifacts.map((a) => (
            <tr key={`${a.repository_name}@${a.digest}`}>
              <td><ArtifactLink repository={a.repository_name} digest={a.digest} /> <Text component="span" size="sm" c="dimmed" className="mono">{shortDigest(a.digest)}</Text></td>
              <td><SeverityBar counts={{ Critical: a.critical_cnt, High: a.high_cnt, Medium: a.medium_cnt }} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}

/** The worst vulnerabilities that were found. */
export function WorstCves({ cves }: { cves: NonNullable<Summary['dangerous_cves']> }) {
  const { t } = useTranslation('security')
  return (
    <Panel title={t('worst.cves')} flush>
      <table className={classes.plain} aria-label={t('worst.cves')}>
        <thead className={classes.hidden}><tr><th>{t('cve')}</th><th>{t('severity')}</th></tr></thead>
        <tbody>
          {cves.map((c) => (
            <tr key={c.cve_id}>
              <td><Stack gap={0}><TextLink to="/security" search={{ cve: c.cve_id }}>{c.cve_id}</TextLink><Text size="sm" c="dimmed">{c.package} {c.version}</Text></Stack></td>
              <td><SeverityMark severity={c.severity} />{c.cvss_score_v3 > 0 && <Text component="span" size="sm" ml={8} className="numbers">{c.cvss_score_v3.toFixed(1)}</Text>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}
