import { useQueries } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { Schemas } from '~/api/client'
import { Bytes } from '~/parts/Bytes'
import { TextLink } from '~/parts/links'
import { shortDigest } from '~/parts/names'
import { Panel } from '~/parts/Panel'
import { SeverityBar } from '~/parts/SeverityBar'
import classes from './artifact.module.css'
import { artifactAt, scanOf } from './queries'
import { useArtifact } from './useArtifact'

type Reference = Schemas['ReferenceBody']

const detailed = 40 // of which the sizes are asked for: each is a request

/** What a platform is called. An attestation says of its platform that it is unknown. */
function platformOf(r: Reference): string | undefined {
  const p = r.platform
  return !p || p.os === 'unknown' ? undefined : [p.os, p.architecture, p.variant].filter(Boolean).join('/') + (p.OsVersion ? ` ${p.OsVersion}` : '')
}

/** The images of an index. */
export function Platforms({ references }: { references: Reference[] }) {
  const { t } = useTranslation('artifact')
  const { params } = useArtifact()
  const children = useQueries({ queries: references.slice(0, detailed).map((r) => artifactAt({ ...params, reference: r.child_digest })) })
  return (
    <Panel title={t('platforms.title')} flush>
      <div className={classes.scroll}>
        <table className={classes.table}>
          <thead><tr><th>{t('platforms.platform')}</th><th>{t('platforms.image')}</th><th data-align="right">{t('overview.size')}</th><th>{t('tabs.vulnerabilities')}</th></tr></thead>
          <tbody>
            {references.map((r, i) => {
              const child = children[i]?.data
              const summary = child && scanOf(child)?.summary
              return (
                <tr key={`${r.child_digest} ${i}`}>
                  <td>{platformOf(r) ?? <span className={classes.dimmed}>{r.annotations?.['vnd.docker.reference.type'] ?? t('platforms.unknown')}</span>}</td>
                  <td><TextLink className="mono" title={r.child_digest} to="/projects/$project/repositories/$repository/artifacts/$reference" params={{ ...params, reference: r.child_digest }}>{shortDigest(r.child_digest)}</TextLink></td>
                  <td data-align="right">{child ? <Bytes value={child.size} /> : '–'}</td>
                  <td>{summary ? <SeverityBar counts={summary.summary} /> : <span className={classes.dimmed}>–</span>}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
