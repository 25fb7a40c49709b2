import { Alert, Button, Group, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '~/api/client'
import { words } from './tell'

interface Props {
  error: unknown
  onRetry?: () => void
}

/** What went wrong, in the server's words, with the number under which its log has the rest. */
export function ErrorState({ error, onRetry }: Props) {
  const { t } = useTranslation('parts')
  const id = error instanceof ApiError && error.status >= 500 ? error.requestId : ''
  return (
    <Alert role="alert" color="red" variant="light" icon={<IconAlertTriangle size={20} />} title={t('error.title')}>
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>{words(error)}</Text>
      {id && <Text size="xs" mt={4}>{t('error.request', { id })}</Text>}
      {onRetry && <Group mt="sm"><Button size="xs" variant="default" onClick={onRetry}>{t('error.retry')}</Button></Group>}
    </Alert>
  )
}
