import { Badge, Text } from '@mantine/core'
import { IconAlertTriangle, IconCheck } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { Registry } from './queries'

/** Whether a registry could be reached when that was tried last, or why not. */
export function Health({ registry }: { registry: Registry }) {
  const { t } = useTranslation('registries')
  if (registry.status === 'healthy') return <Badge color="teal" leftSection={<IconCheck size={13} />}>{t('healthy')}</Badge>
  return (
    <div>
      <Badge color="red" leftSection={<IconAlertTriangle size={13} />}>{t('unhealthy')}</Badge>
      {registry.status_message && <Text size="sm" c="dimmed" maw={320} style={{ overflowWrap: 'anywhere' }}>{registry.status_message}</Text>}
    </div>
  )
}
