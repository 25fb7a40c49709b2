import { Group, Progress, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { bytes } from './numbers'

interface Props {
  used: number // bytes
  hard: number // bytes, -1: no limit
}

/** How much of a limit is used. */
export function UsageBar({ used, hard }: Props) {
  const { t, i18n } = useTranslation('parts')
  const say = (n: number) => bytes(n, i18n.language)
  if (hard < 0) return <Text component="span" inherit>{t('usage.unlimited', { used: say(used) })}</Text>
  const percent = hard === 0 ? 100 : (used / hard) * 100
  const color = percent >= 95 ? 'red' : percent >= 80 ? 'orange' : 'tide'
  return (
    <Stack gap={4}>
      <Group justify="space-between" gap="xs">
        <Text inherit>{t('usage.of', { used: say(used), hard: say(hard) })}</Text>
        <Text inherit c="dimmed" className="numbers">{Math.round(percent)} %</Text>
      </Group>
      <Progress value={Math.min(percent, 100)} color={color} size="sm" aria-label={t('usage.label')} />
    </Stack>
  )
}
