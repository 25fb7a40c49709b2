import { Button, Group, Progress, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'

interface Props {
  label: string // what goes on, and how far it is: "412 of 1,000 artifacts"
  percent?: number // undefined: nobody knows yet
  onStop?: () => void
}

/** Work that takes long: how far it is, and a way to stop it. */
export function WorkProgress({ label, percent, onStop }: Props) {
  const { t } = useTranslation('parts')
  return (
    <Stack gap={6}>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" role="status">{label}</Text>
        {onStop && <Button size="compact-sm" variant="default" onClick={onStop}>{t('stop')}</Button>}
      </Group>
      <Progress value={percent ?? 100} animated={percent === undefined} striped={percent === undefined} aria-label={label} />
    </Stack>
  )
}
