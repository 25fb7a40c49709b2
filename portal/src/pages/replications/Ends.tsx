import { Group, Text } from '@mantine/core'
import { IconArrowRight } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { local } from './fields'
import type { Rule } from './queries'

/** From where to where a rule copies. */
export function Ends({ rule }: { rule: Rule }) {
  const { t } = useTranslation('replications')
  const name = (registry: Rule['src_registry']) => (!registry || registry.id === local ? t('here') : registry.name)
  return (
    <Group gap={6} component="span">
      <Text component="span" inherit style={{ overflowWrap: 'break-word', maxWidth: '100%' }}>{name(rule.src_registry)}</Text>
      <IconArrowRight size={14} role="img" aria-label={t('to')} style={{ flex: 'none' }} />
      <Text component="span" inherit style={{ overflowWrap: 'break-word', maxWidth: '100%' }}>{name(rule.dest_registry)}{rule.dest_namespace && `/${rule.dest_namespace}`}</Text>
    </Group>
  )
}
