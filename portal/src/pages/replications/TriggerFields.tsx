import { Checkbox, NativeSelect, Stack } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { CronPicker } from '~/parts/CronPicker'
import { cronFault } from './fields'
import type { RuleFormState } from './RuleForm'

const repeated = ['Hourly', 'Daily', 'Weekly', 'Custom'] as const

/** When a rule copies. What happens elsewhere is not known here, so events are of rules that copy from here. */
export function TriggerFields({ form }: { form: RuleFormState }) {
  const { t } = useTranslation('replications')
  const { pull, trigger, schedule } = form.values
  const triggers = pull ? (['manual', 'scheduled'] as const) : (['manual', 'scheduled', 'event_based'] as const)
  const fault = cronFault(schedule)
  return (
    <Stack gap="md">
      <NativeSelect
        label={t('trigger.label')} description={t(`trigger.hint.${trigger}`)} data={triggers.map((value) => ({ value, label: t(`trigger.${value}`) }))} value={trigger}
        onChange={(e) => form.setFieldValue('trigger', triggers.find((one) => one === e.currentTarget.value) ?? 'manual')}
      />
      {trigger === 'scheduled' && <CronPicker label={t('form.schedule')} types={repeated} value={schedule} onChange={(at) => form.setFieldValue('schedule', at)} error={fault && t(`form.cron.${fault}`)} />}
      {trigger === 'event_based'
        ? <Checkbox label={t('form.deletion')} description={t('form.deletionHint')} {...form.getInputProps('deletion', { type: 'checkbox' })} />
        : <Checkbox label={t('form.alone')} description={t('form.aloneHint')} {...form.getInputProps('alone', { type: 'checkbox' })} />}
    </Stack>
  )
}
