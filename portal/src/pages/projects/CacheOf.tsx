import { Alert, NativeSelect, Skeleton, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { allRegistries } from '~/pages/registries/queries'
import { ErrorState } from '~/parts/ErrorState'
import type { NewProject } from './newProject'

/** Of which registry a new project is a cache. */
export default function CacheOf({ form }: { form: UseFormReturnType<NewProject> }) {
  const { t } = useTranslation('projects')
  const query = useQuery(allRegistries)
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (query.isPending) return <Skeleton h={60} />
  if (query.data.length === 0) return <Alert color="yellow">{t('create.noRegistry')}</Alert>
  return (
    <>
      <NativeSelect label={t('create.registry')} {...form.getInputProps('registry')}
        data={[{ value: '', label: t('create.choose') }, ...query.data.map((r) => ({ value: String(r.id), label: `${r.name} (${r.url})` }))]} />
      <TextInput label={t('create.speed')} description={t('create.speedHint')} inputMode="numeric" {...form.getInputProps('speed')} />
    </>
  )
}
