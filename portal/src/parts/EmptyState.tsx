import { Stack, Text, ThemeIcon, Title } from '@mantine/core'
import type { Icon } from '@tabler/icons-react'
import type { ReactNode } from 'react'

interface Props {
  icon: Icon
  title: string
  children?: ReactNode // what to do next
  action?: ReactNode
  whole?: boolean // where there is nothing else on the page
}

/** In place of a list without entries: says what it would show, and what to do next. */
export function EmptyState({ icon: Glyph, title, children, action, whole = false }: Props) {
  return (
    <Stack align="center" gap="xs" py={44} px="md" ta="center">
      <ThemeIcon size={52} radius="xl" variant="light" mb={4}><Glyph size={26} stroke={1.5} /></ThemeIcon>
      <Title order={whole ? 1 : 2}>{title}</Title>
      {children && <Text component="div" c="dimmed" maw={520} w="100%">{children}</Text>}
      {action && <div style={{ marginTop: 10 }}>{action}</div>}
    </Stack>
  )
}
