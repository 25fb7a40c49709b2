import { Drawer, Group, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { ExternalLink } from '~/parts/ExternalLink'
import { Facts } from '~/parts/Facts'
import { shortDigest } from '~/parts/names'
import { SeverityMark } from '~/parts/SeverityBar'
import classes from './artifact.module.css'
import type { Finding } from './findings'
import { useArtifact } from './useArtifact'

interface Props {
  finding: Finding
  layers: number[] // which layers brought it, from 1
  onClose: () => void
}

/** All that is known of a finding. */
export default function FindingDrawer({ finding: f, layers, onClose }: Props) {
  const { t, i18n } = useTranslation('artifact')
  const { artifact } = useArtifact()
  const inIndex = f.images.filter((d) => d !== artifact.digest)
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={f.id} closeButtonProps={{ 'aria-label': t('close') }}>
      <Stack gap="md">
        <Group gap="md"><SeverityMark severity={f.severity} />{f.score !== undefined && <Text component="span" inherit>CVSS {f.score.toFixed(1)}</Text>}</Group>
        {f.description && <Text style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>{f.description}</Text>}
        <Facts
          facts={[
            [t('findings.package'), f.package],
            [t('findings.version'), f.version],
            [t('findings.fixed'), f.fixed || t('findings.noFix')],
            [t('findings.layer'), layers.join(', ')],
            [t('findings.images'), inIndex.length > 0 && inIndex.map(shortDigest).join(', ')],
            [t('findings.vector'), f.vector],
            [t('findings.exploitedSince'), f.exploited],
            [t('findings.epss'), f.epss !== undefined && f.epss.toLocaleString(i18n.language, { style: 'percent', maximumFractionDigits: 1 })],
            [t('findings.cwes'), f.cwes.join(', ')],
            [t('findings.vexStatus'), f.vex && [f.vex.status, f.vex.justification].filter(Boolean).join(': ')],
            [t('findings.vexImpact'), f.vex?.impact],
            [t('findings.vexAuthor'), f.vex?.author],
          ].map(([name, value]) => [String(name), value || undefined])}
        />
        {f.links.length > 0 && (
          <div>
            <Text fw={560} mb={4}>{t('findings.links')}</Text>
            <ul className={classes.lines}>{f.links.map((link) => <li key={link}><ExternalLink url={link} /></li>)}</ul>
          </div>
        )}
      </Stack>
    </Drawer>
  )
}
