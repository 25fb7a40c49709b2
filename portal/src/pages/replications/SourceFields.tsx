import { NativeSelect, SimpleGrid, Stack, TagsInput, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type Registry, registryInfo } from '~/pages/registries/queries'
import { local } from './fields'
import { RegistryChoice } from './RegistryChoice'
import type { RuleFormState } from './RuleForm'

const platforms = ['linux/amd64', 'linux/arm64', 'linux/arm64/v8', 'linux/arm/v7', 'linux/ppc64le', 'linux/riscv64', 'linux/s390x', 'windows/amd64']

/** From where a rule copies, and what of it. */
export function SourceFields({ form, registries }: { form: RuleFormState; registries: Registry[] }) {
  const { t } = useTranslation('replications')
  const { pull, registry, others } = form.values
  const source = pull ? Number(registry) : local
  const info = useQuery({ ...registryInfo(source), enabled: !pull || registry !== '' })
  const labels = info.data?.supported_resource_filters.find((f) => f.type === 'label')
  const decoration = (name: 'tagsBut' | 'labelsBut', label: string) => (
    <NativeSelect label={label} value={String(form.values[name])} data={[{ value: 'false', label: t('form.these') }, { value: 'true', label: t('form.allBut') }]} onChange={(e) => form.setFieldValue(name, e.currentTarget.value === 'true')} />
  )
  return (
    <Stack gap="md">
      {pull ? <RegistryChoice form={form} registries={registries} /> : <Text size="sm" c="dimmed">{t('form.fromHere')}</Text>}
      <TextInput label={t('form.repositories')} description={t('form.repositoriesHint')} placeholder="library/**" autoComplete="off" spellCheck={false} {...form.getInputProps('repositories')} />
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
        {decoration('tagsBut', t('form.tagsWhich'))}
        <TextInput label={t('form.tags')} placeholder="v1.*" autoComplete="off" spellCheck={false} {...form.getInputProps('tags')} />
        {labels && decoration('labelsBut', t('form.labelsWhich'))}
        {labels && <TagsInput label={t('form.labels')} data={labels.values} clearButtonProps={{ 'aria-label': t('form.clear') }} {...form.getInputProps('labels')} />}
        <NativeSelect label={t('form.resource')} data={[{ value: '', label: t('form.both') }, { value: 'image', label: t('form.image') }, { value: 'artifact', label: t('form.artifact') }]} {...form.getInputProps('resource')} />
        <TagsInput label={t('form.platforms')} description={t('form.platformsHint')} data={platforms} clearButtonProps={{ 'aria-label': t('form.clear') }} {...form.getInputProps('platforms')} />
      </SimpleGrid>
      {others.length > 0 && <Text size="sm" c="dimmed">{t('form.othersStay', { count: others.length })}</Text>}
    </Stack>
  )
}
