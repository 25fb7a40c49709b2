import { Checkbox, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { ErrorState } from '~/parts/ErrorState'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { Credentials } from './Credentials'
import { asChange, asNew, asTrial, type Fields, fieldsOf, filledFor, goodURL } from './fields'
import { createRegistry, providers, registriesKey, type Registry, updateRegistry } from './queries'
import { Trial } from './Trial'
import { useTypeName } from './useTypeName'

/** The dialog that adds another registry, or changes one. */
export default function RegistryForm({ registry, onClose }: { registry?: Registry; onClose: () => void }) {
  const { t } = useTranslation('registries')
  const typeName = useTypeName()
  const queries = useQueryClient()
  const known = useQuery(providers)
  const form = useForm<Fields>({
    initialValues: fieldsOf(registry),
    validateInputOnBlur: true,
    validate: {
      name: (name) => (name.trim() && [...name].length <= 64 ? null : t('form.nameRule')),
      url: (url) => (goodURL(url) ? null : t('form.urlRule')),
    },
  })
  const { type, url } = form.values
  const provider = known.data?.[type]
  const places = provider?.endpoint_pattern
  const save = async () => {
    await (registry ? updateRegistry(registry.id, asChange(form.values, registry)) : createRegistry(asNew(form.values)))
    await queries.invalidateQueries({ queryKey: registriesKey })
    tellDone(t(registry ? 'edit.done' : 'create.done', { name: form.values.name }))
  }
  if (known.isError) return <FormModal title={t('create.open')} onClose={onClose} verb={t('create.verb')} disabled onSubmit={save}><ErrorState error={known.error} onRetry={() => void known.refetch()} /></FormModal>
  const types = Object.keys(known.data ?? { [type]: true }).map((value) => ({ value, label: typeName(value) })).sort((a, b) => a.label.localeCompare(b.label))
  return (
    <FormModal size="lg" title={registry ? t('edit.title', { name: registry.name }) : t('create.open')} onClose={onClose} verb={t(registry ? 'edit.verb' : 'create.verb')} disabled={!form.isValid()} onSubmit={save}>
      <NativeSelect label={t('type.label')} data={types} value={type} disabled={registry !== undefined}
        onChange={(e) => form.setValues({ ...filledFor(e.currentTarget.value, known.data?.[e.currentTarget.value]), secret: '' })} />
      <TextInput data-autofocus label={t('name')} autoComplete="off" {...form.getInputProps('name')} />
      <TextInput label={t('description')} autoComplete="off" {...form.getInputProps('description')} />
      {places?.endpoint_type === 'EndpointPatternTypeList' && places.endpoints.some((at) => at.value === url)
        ? <NativeSelect label={t('url')} data={places.endpoints.map((at) => ({ value: at.value, label: `${at.key} (${at.value})` }))} {...form.getInputProps('url')} />
        : <TextInput label={t('url')} placeholder="https://registry.example.com" readOnly={places?.endpoint_type === 'EndpointPatternTypeFix'} autoComplete="off" spellCheck={false} {...form.getInputProps('url')} />}
      <Credentials form={form} provider={provider} kept={registry} />
      <Checkbox label={t('form.insecure')} description={t('form.insecureHint')} {...form.getInputProps('insecure', { type: 'checkbox' })} />
      {!form.values.insecure && (
        <Textarea label={t('form.roots')} description={t('form.rootsHint')} placeholder="-----BEGIN CERTIFICATE-----" autosize={false} rows={3} spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }} {...form.getInputProps('roots')} />
      )}
      <Trial disabled={!goodURL(url)} what={asTrial(form.values, registry)} />
    </FormModal>
  )
}
