import { NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { nextRuns, type Schedule, scheduleFor } from './cron'
import { ago } from './numbers'

interface Props {
  label: string // what is to be done at these times
  value: Schedule
  onChange: (value: Schedule) => void
  types?: readonly Schedule['type'][] // what there is to choose from
  disabled?: boolean
  error?: string // what is wrong with the cron beside not being one
}

const repeated = ['None', 'Hourly', 'Daily', 'Weekly', 'Custom'] as const

/** Chooses when work is done, and says when that is next. */
export function CronPicker({ label, value, onChange, types = repeated, disabled, error }: Props) {
  const { t } = useTranslation('cron')
  const custom = value.type === 'Custom'
  const runs = nextRuns(value.cron, new Date(), 2)
  const fault = error ?? (custom && runs.length === 0 ? t('fault') : undefined)
  return (
    <Stack gap="xs">
      <NativeSelect
        label={label} value={value.type} disabled={disabled} data={types.map((type) => ({ value: type, label: t(`type.${type}`) }))}
        onChange={(e) => {
          const type = types.find((one) => one === e.currentTarget.value)
          if (type) onChange(scheduleFor(type, value.cron))
        }}
      />
      {custom && (
        <TextInput
          label={t('cron')} description={t('hint')} error={fault} disabled={disabled} autoComplete="off" spellCheck={false} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          value={value.cron} onChange={(e) => onChange({ type: 'Custom', cron: e.currentTarget.value })}
        />
      )}
      <NextRuns runs={fault ? [] : runs} />
    </Stack>
  )
}

/** When a cron comes next, in words; nothing where there is none. */
export function NextRun({ cron }: { cron: string | undefined }) {
  return <NextRuns runs={nextRuns(cron ?? '', new Date(), 1)} />
}

function NextRuns({ runs: [next, then] }: { runs: Date[] }) {
  const { t, i18n } = useTranslation('cron')
  const say = (at: Date) => at.toLocaleString(i18n.language, { weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' })
  if (!next) return null
  return (
    <Text size="sm" c="dimmed" role="status">
      {t('next', { ago: ago(next, new Date(), i18n.language), at: say(next) })}
      {then && ` ${t('then', { at: say(then) })}`}
    </Text>
  )
}
