import { Checkbox, Group, NativeSelect, SimpleGrid, Stack, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { projectSummary } from '~/pages/projects/queries'
import { Facts } from '~/parts/Facts'
import { field } from '~/parts/field'
import { Panel } from '~/parts/Panel'
import type { Settings } from './settings'

/** Of a project that is a cache: of what, and how it asks there. */
export function CacheFields({ form, project }: { form: UseFormReturnType<Settings>; project: string }) {
  const { t } = useTranslation('projectConfig')
  const { data } = useQuery(projectSummary(project))
  return (
    <Panel title={t('cache.title')}>
      <Stack gap="sm">
        {data?.registry && <Facts facts={[[t('cache.of'), data.registry.name], [t('cache.address'), data.registry.url]]} />}
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
          <TextInput label={t('cache.speed')} description={t('cache.speedHint')} inputMode="numeric" {...field(form, 'speed')} />
          <TextInput label={t('cache.connections')} description={t('cache.connectionsHint')} inputMode="numeric" {...field(form, 'connections')} />
        </SimpleGrid>
        <Group gap="xs" align="flex-end" wrap="nowrap">
          <NativeSelect w={140} label={t('cache.filter')} data={[{ value: 'doublestar', label: t('cache.glob') }, { value: 'regex', label: t('cache.regex') }]} {...form.getInputProps('filterKind')} />
          <TextInput flex={1} aria-label={t('cache.pattern')} placeholder={t('cache.everything')} spellCheck={false} autoComplete="off" {...form.getInputProps('filter')} />
        </Group>
        <Checkbox label={t('cache.referrers')} {...form.getInputProps('referrers', { type: 'checkbox' })} />
        <Checkbox label={t('cache.localOnNotFound')} {...form.getInputProps('localOnNotFound', { type: 'checkbox' })} />
      </Stack>
    </Panel>
  )
}
