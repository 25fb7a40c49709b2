import { Tooltip } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Bytes } from '~/parts/Bytes'
import { Copy } from '~/parts/CopyCommand'
import { ErrorState } from '~/parts/ErrorState'
import { shortDigest } from '~/parts/names'
import { bytes } from '~/parts/numbers'
import { Panel } from '~/parts/Panel'
import classes from './artifact.module.css'
import { type Layer, plainCommand, readHistory, readLayers, shares } from './layers'
import { additionOf, type Place } from './queries'
import { useArtifact } from './useArtifact'

/** The layers of an image, and the steps that made it. */
export function useLayers() {
  const { place, artifact } = useArtifact()
  return useQuery({ ...layersOf(place), enabled: 'layers' in artifact.addition_links })
}

export const layersOf = (place: Place) => additionOf(place, 'layers', readLayers)

/** The layers by their sizes, as a picture, and in a table. */
export function Layers() {
  const { t, i18n } = useTranslation('artifact')
  const { place, artifact } = useArtifact()
  const layers = useLayers()
  const history = useQuery({ ...additionOf(place, 'build_history', (d) => d), enabled: 'build_history' in artifact.addition_links })
  const [over, setOver] = useState<number>()
  if (layers.isError) return <Panel title={t('layers.title')}><ErrorState error={layers.error} /></Panel>
  const all = layers.data ?? []
  if (all.length === 0) return null
  const steps = readHistory(history.data, all.length)
  const of = (i: number) => all[i]?.title || plainCommand(steps.find((s) => s.layer === i)?.command ?? '')
  return (
    <Panel title={t(all.some((l) => l.title) ? 'layers.files' : 'layers.title')}>
      <div className={classes.bar} aria-hidden>
        {shares(all.map((l) => l.size)).map((share, i) => (
          <Tooltip key={i} openDelay={0} label={`${i + 1}. ${bytes(all[i]?.size ?? 0, i18n.language)}`}>
            <span className={classes.share} data-over={over === i || undefined} data-shade={i % 4} style={{ flexGrow: share }} onMouseEnter={() => setOver(i)} onMouseLeave={() => setOver(undefined)} />
          </Tooltip>
        ))}
      </div>
      <div className={classes.scroll} style={{ marginTop: 10 }} tabIndex={0} role="group" aria-label={t('layers.title')}>
        <table className={classes.table}>
          <thead><tr><th data-align="right">#</th><th data-align="right">{t('overview.size')}</th><th>{t('layers.by')}</th><th>{t('overview.digest')}</th></tr></thead>
          <tbody>
            {all.map((l, i) => <Row key={i} layer={l} number={i + 1} by={of(i)} over={over === i} onOver={(on) => setOver(on ? i : undefined)} />)}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

interface RowProps {
  layer: Layer
  number: number
  by: string
  over: boolean
  onOver: (on: boolean) => void
}

function Row({ layer, number, by, over, onOver }: RowProps) {
  const { t } = useTranslation('artifact')
  return (
    <tr data-over={over || undefined} onMouseEnter={() => onOver(true)} onMouseLeave={() => onOver(false)}>
      <td data-align="right" className="numbers">{number}</td>
      <td data-align="right" className={classes.nowrap}><Bytes value={layer.size} /></td>
      <td className={classes.command} title={by || layer.mediaType}>{by || <span className={classes.dimmed}>{layer.mediaType}</span>}</td>
      <td className={classes.nowrap}><span className="mono" title={layer.digest}>{shortDigest(layer.digest)}</span> <Copy text={layer.digest} label={t('copyDigest')} size="sm" /></td>
    </tr>
  )
}
