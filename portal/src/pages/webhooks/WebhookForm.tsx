import { Button, Checkbox, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { ErrorState } from '~/parts/ErrorState'
import { field } from '~/parts/field'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { kinds, type Fields, type Policy, savePolicy, type Target, webhooksKey } from './queries'
import { asSent, isAddress } from './target'
import { TargetFields } from './TargetFields'
import { useEventName } from './useEventName'

const most = 5 // targets of a policy
const fresh: Target = { type: 'http', address: '', auth_header: '', skip_cert_verify: false, payload_format: 'Default' }

/** The dialog that creates a policy, or changes one. */
export default function WebhookForm({ project, policy, onClose }: { project: string; policy?: Policy; onClose: () => void }) {
  const { t } = useTranslation('webhooks')
  const say = useEventName()
  const queries = useQueryClient()
  const known = useQuery(kinds(project))
  const form = useForm<Fields>({
    initialValues: policy
      ? { name: policy.name, description: policy.description, enabled: policy.enabled, event_types: policy.event_types, targets: policy.targets.map((target) => ({ ...fresh, ...target })) }
      : { name: '', description: '', enabled: true, event_types: [], targets: [fresh] },
    validate: {
      name: (name) => (name.trim() ? null : t('form.nameRule')),
      event_types: (types) => (types.length > 0 ? null : t('form.eventsRule')),
      targets: { address: (address) => (isAddress(address) ? null : t('form.addressRule')) },
    },
  })
  const save = async () => {
    const fields = { ...form.values, name: form.values.name.trim(), targets: form.values.targets.map(asSent) }
    await savePolicy(project, fields, policy?.id)
    await queries.invalidateQueries({ queryKey: webhooksKey })
    tellDone(t(policy ? 'edit.done' : 'create.done', { name: fields.name }))
  }
  const { targets } = form.values
  return (
    <FormModal size="lg" title={policy ? t('edit.title', { name: policy.name }) : t('create.open')} onClose={onClose} verb={t(policy ? 'edit.verb' : 'create.verb')} disabled={!form.isValid()} onSubmit={save}>
      <TextInput data-autofocus label={t('name')} autoComplete="off" {...field(form, 'name')} />
      <TextInput label={t('form.description')} autoComplete="off" {...form.getInputProps('description')} />
      {known.isError && <ErrorState error={known.error} onRetry={() => void known.refetch()} />}
      <Checkbox.Group label={t('events')} description={t('form.eventsHint')} {...form.getInputProps('event_types')}>
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing={8} verticalSpacing={8} mt={8}>
          {(known.data?.event_type ?? policy?.event_types ?? []).map((type) => <Checkbox key={type} size="sm" value={type} label={say(type)} />)}
        </SimpleGrid>
      </Checkbox.Group>
      <Stack gap="sm">
        <Text size="sm" fw={560}>{t('targets')}</Text>
        {targets.map((target, i) => (
          <TargetFields key={i} form={form} index={i} target={target} formats={known.data?.payload_formats.find((f) => f.notify_type === target.type)?.formats ?? []}
            onRemove={targets.length > 1 ? () => form.removeListItem('targets', i) : undefined} />
        ))}
        {targets.length < most && <div><Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} />} onClick={() => form.insertListItem('targets', fresh)}>{t('form.another')}</Button></div>}
      </Stack>
      <Checkbox label={t('form.enabled')} {...form.getInputProps('enabled', { type: 'checkbox' })} />
    </FormModal>
  )
}
