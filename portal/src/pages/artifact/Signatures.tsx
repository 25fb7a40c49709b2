import { Alert, Badge, Stack, Text } from '@mantine/core'
import { IconShieldCheck, IconShieldQuestion, IconShieldX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { Schemas } from '~/api/client'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { shortDigest } from '~/parts/names'
import { Panel } from '~/parts/Panel'
import { TimeAgo } from '~/parts/TimeAgo'
import classes from './artifact.module.css'
import { signaturesOf } from './queries'
import { useArtifact } from './useArtifact'

/** Who signed the artifact, and whether the project trusts them. */
export function Signatures() {
  const { t } = useTranslation('artifact')
  const { artifact, place } = useArtifact()
  const query = useQuery(signaturesOf(place))
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  const verdict = query.data
  if (!verdict) return null
  const some = verdict.signatures.length > 0
  const byIndex = artifact.inherited_accessories?.some((a) => a.type.startsWith('signature.'))
  const look = !some
    ? byIndex ? { color: 'teal', icon: <IconShieldCheck size={20} />, title: t('signatures.byIndex'), text: t('signatures.byIndexHint') } : { color: 'gray', icon: <IconShieldQuestion size={20} />, title: t('signatures.unsigned'), text: t('signatures.unsignedHint') }
    : verdict.verified
      ? { color: 'teal', icon: <IconShieldCheck size={20} />, title: t('signatures.verified'), text: '' }
      : verdict.trusting
        ? { color: 'red', icon: <IconShieldX size={20} />, title: t('signatures.unverified'), text: t('signatures.unverifiedHint') }
        : { color: 'gray', icon: <IconShieldQuestion size={20} />, title: t('signatures.untrusting'), text: t('signatures.untrustingHint') }
  return (
    <Panel title={t('signatures.title')}>
      <Stack gap="md">
        <Alert color={look.color} icon={look.icon} title={look.title}>{look.text}</Alert>
        {verdict.signatures.map((s, i) => <Signature key={`${s.artifact_digest} ${i}`} signature={s} />)}
        {verdict.more && <Text size="sm" c="dimmed">{t('signatures.more')}</Text>}
      </Stack>
    </Panel>
  )
}

function Signature({ signature: s }: { signature: Schemas['SignatureBody'] }) {
  const { t } = useTranslation('artifact')
  const facts: [string, React.ReactNode][] = [
    [t('signatures.reason'), s.reason],
    [t('signatures.by'), s.signer?.subject],
    [t('signatures.issuer'), s.signer?.issuer],
    [t('signatures.fingerprint'), s.signer && <span className="mono">{s.signer.fingerprint}</span>],
    [t('signatures.trustedBy'), s.verified_by?.name],
    [t('signatures.time'), s.signing_time && <TimeAgo value={s.signing_time} />],
    [t('signatures.in'), <span key="in" className="mono" title={s.artifact_digest}>{shortDigest(s.artifact_digest)}</span>],
  ]
  return (
    <div className={classes.signature}>
      <Badge color={s.verified ? 'teal' : 'red'}>{t(s.verified ? 'signatures.yes' : 'signatures.no')}</Badge> <Text component="span" inherit fw={560}>{s.kind}</Text>
      <Facts facts={facts} />
    </div>
  )
}
