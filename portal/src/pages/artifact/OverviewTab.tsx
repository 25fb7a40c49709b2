import { SimpleGrid, Stack } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Bytes } from '~/parts/Bytes'
import { Copy } from '~/parts/CopyCommand'
import { Facts } from '~/parts/Facts'
import { Panel } from '~/parts/Panel'
import { TimeAgo } from '~/parts/TimeAgo'
import { Attributes } from './Attributes'
import { Layers } from './Layers'
import { Platforms } from './Platforms'
import { useArtifact } from './useArtifact'
import { isRecord } from './values'

export default function OverviewTab() {
  const { t } = useTranslation('artifact')
  const { artifact } = useArtifact()
  const { config, created, author, os, architecture, ...others } = artifact.extra_attrs
  const { Labels: labels, ...settings } = isRecord(config) ? config : {}
  const text = (v: unknown) => (typeof v === 'string' ? v : undefined)
  const panel = (title: string, of: Record<string, unknown>) => Object.keys(of).length > 0 && <Panel title={title}><Attributes of={of} /></Panel>
  const configured = panel(t(artifact.type === 'CHART' ? 'overview.chart' : 'overview.config'), { ...settings, ...(config !== undefined && !isRecord(config) ? { config } : {}), ...others })
  const annotations = panel(t('overview.annotations'), artifact.annotations)
  const inside = panel(t('overview.imageLabels'), isRecord(labels) ? labels : {})
  return (
    <Stack gap="md">
      {artifact.references && artifact.references.length > 0 && <Platforms references={artifact.references} />}
      {'layers' in artifact.addition_links && <Layers />}
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md" style={{ alignItems: 'start' }}>
        <Stack gap="md">
          <Panel title={t('overview.about')}>
            <Facts
              facts={[
                [t('overview.digest'), <span key="digest"><span className="mono">{artifact.digest}</span> <Copy text={artifact.digest} label={t('copyDigest')} size="sm" /></span>],
                [t('overview.platform'), [text(os), text(architecture)].filter(Boolean).join('/')],
                [t('overview.size'), <Bytes key="size" value={artifact.size} />],
                [t('overview.created'), text(created) && <TimeAgo key="created" value={text(created)} />],
                [t('overview.author'), text(author)],
                [t('overview.pushed'), <TimeAgo key="pushed" value={artifact.push_time} />],
                [t('overview.pulled'), <TimeAgo key="pulled" value={artifact.pull_time} />],
                [t('overview.mediaType'), artifact.media_type],
                [t('overview.manifestType'), artifact.manifest_media_type],
                [t('overview.artifactType'), artifact.artifact_type !== artifact.media_type && artifact.artifact_type],
              ].map(([name, value]) => [String(name), value || undefined])}
            />
          </Panel>
          {annotations}
        </Stack>
        <Stack gap="md">{configured}{inside}</Stack>
      </SimpleGrid>
    </Stack>
  )
}
