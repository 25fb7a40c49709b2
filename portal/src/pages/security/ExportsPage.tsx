import { Button, Group, Loader, Stack, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconDownload, IconFileDownload, IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { isAdmin, useMe } from '~/api/session'
import { projectNamed } from '~/pages/projects/queries'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { TextLink } from '~/parts/links'
import { save } from '~/parts/log'
import { PageHeader } from '~/parts/PageHeader'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { goesOn, StatusBadge } from '~/parts/StatusBadge'
import { tellFailure } from '~/parts/tell'
import { TimeAgo } from '~/parts/TimeAgo'
import { type Export, exportsKey, exportsList, takeExport } from './queries'
import { exportsRoute } from './route'

const ExportDialog = lazy(() => import('./ExportDialog'))

/** Tables of findings that were asked for, to be downloaded once each. */
export default function ExportsPage() {
  const { t } = useTranslation('security')
  const query = useQuery(exportsList)
  const { project: named = '' } = exportsRoute.useSearch()
  const { data: project } = useQuery({ ...projectNamed(named), enabled: named !== '' })
  const [opened, dialog] = useDisclosure(named !== '')
  const admin = isAdmin(useMe())
  const start = <Button leftSection={<IconPlus size={16} />} onClick={dialog.open}>{t('exports.new')}</Button>
  return (
    <>
      <PageHeader title={t('exports.title')} description={t('exports.description')} actions={start} above={admin ? [<TextLink key="hub" to="/security">{t('title')}</TextLink>] : undefined} />
      {query.isError ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : !query.data ? <PageSkeleton /> : query.data.length === 0 ? (
        <Panel><EmptyState icon={IconFileDownload} title={t('exports.empty')} action={start}>{t('exports.emptyNext')}</EmptyState></Panel>
      ) : (
        <Stack gap="sm" component="ul" p={0} m={0} style={{ listStyle: 'none' }} aria-label={t('exports.title')}>
          {query.data.map((e) => <li key={e.id}><Panel><One item={e} /></Panel></li>)}
        </Stack>
      )}
      <Suspense>{opened && (project || named === '') && <ExportDialog project={project} onClose={dialog.close} />}</Suspense>
    </>
  )
}

function One({ item }: { item: Export }) {
  const { t } = useTranslation('security')
  const queries = useQueryClient()
  const download = async () => {
    try {
      save(await takeExport(item.id), `scandata_export_${item.id}.csv`, 'text/csv')
    } catch (error) {
      tellFailure(error)
    }
    await queries.invalidateQueries({ queryKey: exportsKey })
  }
  const runs = goesOn([item.status])
  return (
    <Group justify="space-between">
      <Group gap="sm">
        <Text fw={560}>{t('exports.one', { id: item.id })}</Text>
        <StatusBadge status={item.status} />
        <Text size="sm" c="dimmed" component="span"><TimeAgo value={item.start_time} /></Text>
        {item.status_text && <Text size="sm" c="dimmed">{item.status_text}</Text>}
      </Group>
      {runs ? <Group gap={8} role="status"><Loader size="xs" /><Text size="sm">{t('exports.running')}</Text></Group> : item.file_present ? (
        <Button size="xs" leftSection={<IconDownload size={15} />} onClick={() => void download()}>{t('exports.download')}</Button>
      ) : (
        <Text size="sm" c="dimmed">{t('exports.noFile')}</Text>
      )}
    </Group>
  )
}
