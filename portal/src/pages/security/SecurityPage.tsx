import { SimpleGrid, Stack } from '@mantine/core'
import { IconFileDownload } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { ErrorState } from '~/parts/ErrorState'
import { ButtonLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Findings } from './Findings'
import { Coverage, Totals } from './Figures'
import { summary } from './queries'
import { WorstArtifacts, WorstCves } from './Worst'

export default function SecurityPage() {
  const { t } = useTranslation('security')
  const query = useQuery(summary)
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} actions={<ButtonLink variant="default" leftSection={<IconFileDownload size={16} />} to="/exports">{t('exports.title')}</ButtonLink>} />
      <Stack gap="md">
        {query.isError ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : !query.data ? <PageSkeleton /> : (
          <>
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md"><Totals summary={query.data} /><Coverage summary={query.data} /></SimpleGrid>
            {query.data.total_vuls > 0 && <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md"><WorstArtifacts artifacts={query.data.dangerous_artifacts ?? []} /><WorstCves cves={query.data.dangerous_cves ?? []} /></SimpleGrid>}
          </>
        )}
        <Findings />
      </Stack>
    </>
  )
}
