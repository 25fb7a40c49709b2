import { useTranslation } from 'react-i18next'

const known = [
  'DELETE_ARTIFACT', 'PULL_ARTIFACT', 'PUSH_ARTIFACT', 'QUOTA_EXCEED', 'QUOTA_WARNING', 'REPLICATION', 'SCANNING_COMPLETED', 'SCANNING_FAILED', 'SCANNING_STOPPED', 'TAG_RETENTION', 'TEST',
] as const

/** What people call an event; of a new one, what the API does. */
export function useEventName() {
  const { t } = useTranslation('webhooks')
  return (type: string): string => {
    const event = known.find((k) => k === type)
    return event ? t(`event.${event}`) : type
  }
}
