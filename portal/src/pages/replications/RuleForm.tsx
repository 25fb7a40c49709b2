import { Checkbox, Fieldset, Radio, Stack, TextInput } from '@mantine/core'
import { useForm, type UseFormReturnType } from '@mantine/form'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { allRegistries } from '~/pages/registries/queries'
import { validSchedule } from '~/parts/cron'
import { FormModal } from '~/parts/FormModal'
import { ButtonLink } from '~/parts/links'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { tellDone } from '~/parts/tell'
import { IconServer2 } from '@tabler/icons-react'
import { DestinationFields } from './DestinationFields'
import { cronFault, type Fields, fieldsOf, ruleOf } from './fields'
import { replicationKey, type Rule, saveRule } from './queries'
import { SourceFields } from './SourceFields'
import { TriggerFields } from './TriggerFields'

export type RuleFormState = UseFormReturnType<Fields>

/** The dialog that creates a rule, or changes one. */
export default function RuleForm({ rule, onClose }: { rule?: Rule; onClose: () => void }) {
  const { t } = useTranslation('replications')
  const queries = useQueryClient()
  const registries = useQuery(allRegistries)
  const form: RuleFormState = useForm<Fields>({
    initialValues: fieldsOf(rule),
    validateInputOnBlur: true,
    validate: {
      name: (name) => (name.trim() ? null : t('form.nameRule')),
      registry: (id) => (id ? null : t('form.registryRule')),
      schedule: (at, { trigger }) => (trigger !== 'scheduled' || (validSchedule(at) && !cronFault(at)) ? null : true),
      speed: (speed) => (Number.isInteger(speed) && speed >= 0 ? null : t('form.speedRule')),
    },
  })
  const save = async () => {
    await saveRule(ruleOf(form.values), rule?.id)
    await queries.invalidateQueries({ queryKey: replicationKey })
    tellDone(t(rule ? 'edit.done' : 'create.done', { name: form.values.name.trim() }))
  }
  const turn = (pull: boolean) => form.setValues({ pull, ...(pull && form.values.trigger === 'event_based' && { trigger: 'manual' as const }) })
  const others = registries.data ?? []
  return (
    <FormModal size={760} title={rule ? t('edit.title', { name: rule.name }) : t('create.open')} onClose={onClose} verb={t(rule ? 'edit.verb' : 'create.verb')} disabled={!form.isValid()} onSubmit={save}>
      {registries.isError && <ErrorState error={registries.error} onRetry={() => void registries.refetch()} />}
      {registries.data && others.length === 0
        ? <EmptyState icon={IconServer2} title={t('form.noRegistry')} action={<ButtonLink to="/registries">{t('form.toRegistries')}</ButtonLink>}>{t('form.noRegistryText')}</EmptyState>
        : (
          <>
            <TextInput data-autofocus label={t('name')} maxLength={255} autoComplete="off" {...form.getInputProps('name')} />
            <TextInput label={t('description')} autoComplete="off" {...form.getInputProps('description')} />
            <Radio.Group label={t('form.direction')} value={form.values.pull ? 'pull' : 'push'} onChange={(way) => turn(way === 'pull')}>
              <Stack gap={8} mt={6}>
                <Radio value="push" label={t('form.push')} />
                <Radio value="pull" label={t('form.pull')} />
              </Stack>
            </Radio.Group>
            <Fieldset legend={t('form.source')}><SourceFields form={form} registries={others} /></Fieldset>
            <Fieldset legend={t('form.destination')}><DestinationFields form={form} registries={others} /></Fieldset>
            <Fieldset legend={t('form.when')}><TriggerFields form={form} /></Fieldset>
            <Checkbox label={t('form.enabled')} description={t('form.enabledHint')} {...form.getInputProps('enabled', { type: 'checkbox' })} />
          </>
        )}
    </FormModal>
  )
}
