import { useTranslation } from 'react-i18next'

const triggers = ['manual', 'scheduled', 'event_based'] as const

/** By what a rule is run, or was. */
export function TriggerName({ trigger }: { trigger: string }) {
  const { t } = useTranslation('replications')
  const known = triggers.find((one) => one === trigger)
  return known ? t(`trigger.${known}`) : trigger
}
