import { Alert, NativeSelect, Skeleton, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api, page } from '~/api/client'
import { ErrorState } from '~/parts/ErrorState'
import type { NewProject } from './newProject'

const registries = queryOptions({
  queryKey: ['registries', 'choice'],
  queryFn: () => page(api.GET('/registries', { params: { query: { page_size: 100, sort: 'name' } } })),
})

/** Of which registry a new project is a cache. */
export default function CacheOf({ form }: { form: UseFormReturnType<NewProject> }) {
  const { t } = useTranslation('projects')
  const query = useQuery(registries)
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (query.isPending) return <Skeleton h={60} />
  if (query.data.items.length === 0) return <Alert color="yellow">{t('create.noRegistry')}</Alert>
  return (
    <>
      <NativeSelect label={t('create.registry')} {...form.getInputProps('registry')}
        data={[{ value: '', label: t('create.choose') }, ...query.data.items.map((r) => ({ value: String(r.id), label: `${r.name} (${r.url})` }))]} />
      <TextInput label={t('create.speed')} description={t('create.speedHint')} inputMode="numeric" {...form.getInputProps('speed')} />
    </>
  )
}
