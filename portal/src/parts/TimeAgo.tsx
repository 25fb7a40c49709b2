import { Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { ago, moment } from './numbers'

/** How long ago something was; exactly when, on a second look. Without a moment: never. */
export function TimeAgo({ value }: { value: string | undefined }) {
  const { t, i18n } = useTranslation('parts')
  const at = moment(value)
  if (!at) return <Text component="span" c="dimmed" inherit>{t('never')}</Text>
  const exact = at.toLocaleString(i18n.language, { dateStyle: 'full', timeStyle: 'medium' })
  return <time dateTime={at.toISOString()} title={exact} style={{ whiteSpace: 'nowrap' }}>{ago(at, new Date(), i18n.language)}</time>
}
