import { Badge, Button, Group } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconFileDownload, IconShieldOff } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '~/api/client'
import { useProject } from '~/pages/project/useProject'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { ButtonLink } from '~/parts/links'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { type Scanner, scannerOf } from './queries'

const ChooseScanner = lazy(() => import('./ChooseScanner'))

export default function ScannerTab() {
  const { t } = useTranslation('projectScanner')
  const { name, may } = useProject()
  const query = useQuery(scannerOf(name))
  const [choosing, dialog] = useDisclosure()
  const change = may('scanner', 'create') && <Button variant="default" onClick={dialog.open}>{t('change.open')}</Button>
  const table = may('export-cve', 'create') && <ButtonLink variant="default" leftSection={<IconFileDownload size={16} />} to="/exports" search={{ project: name }}>{t('export')}</ButtonLink>
  const none = query.error instanceof ApiError && query.error.status === 404
  if (query.isError && !none) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (query.isPending) return <PageSkeleton />
  const scanner = query.data
  return (
    <>
      {scanner ? (
        <Panel title={t('title')} actions={<Group gap="xs">{table}{change}</Group>}>
          <Facts
            facts={[
              [t('name'), <Group key="name" gap={8}><b>{scanner.name}</b>{scanner.is_default && <Badge color="gray">{t('default')}</Badge>}<Health scanner={scanner} /></Group>],
              [t('description'), scanner.description],
              [t('adapter'), [scanner.vendor, scanner.adapter, scanner.version].filter(Boolean).join(' · ')],
              [t('address'), <span key="address" style={{ overflowWrap: 'anywhere' }}>{scanner.url}</span>],
              [t('can.label'), <Abilities key="can" scanner={scanner} />],
            ]}
          />
        </Panel>
      ) : (
        <Panel><EmptyState icon={IconShieldOff} title={t('none.title')} action={change}>{t('none.text')}</EmptyState></Panel>
      )}
      <Suspense>{choosing && <ChooseScanner project={name} current={scanner?.uuid ?? ''} onClose={dialog.close} />}</Suspense>
    </>
  )
}

/** Whether a scanner answers. */
export function Health({ scanner }: { scanner: Scanner }) {
  const { t } = useTranslation('projectScanner')
  if (scanner.disabled) return <Badge color="gray">{t('disabled')}</Badge>
  return scanner.health === 'healthy' ? <Badge color="teal">{t('healthy')}</Badge> : <Badge color="red">{t('unhealthy')}</Badge>
}

/** What a scanner finds out. */
export function Abilities({ scanner }: { scanner: Scanner }) {
  const { t } = useTranslation('projectScanner')
  const { support_vulnerability, support_sbom } = scanner.capabilities
  const can = [support_vulnerability && t('can.vulnerabilities'), support_sbom && t('can.sbom')].filter((c) => c !== false)
  return can.length > 0 ? can.join(', ') : t('can.nothing')
}
