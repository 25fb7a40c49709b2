import { Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { TimeAgo } from '~/parts/TimeAgo'
import { daysLeft } from './ends'

/** When something ends, in seconds since 1970; what ends soon, or has ended, is in a colour. */
export function Expiry({ seconds }: { seconds: number }) {
  const { t } = useTranslation('robots')
  if (seconds <= 0) return <Text component="span" inherit c="dimmed">{t('never')}</Text>
  const left = daysLeft(seconds, new Date())
  return <Text component="span" inherit c={left < 0 ? 'var(--mantine-color-error)' : left < 7 ? 'var(--mantine-color-orange-light-color)' : undefined}><TimeAgo value={new Date(seconds * 1000).toISOString()} /></Text>
}
