import { ActionIcon, Group, NativeSelect, Text } from '@mantine/core'
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { type List, sizes } from './useList'

/** Which part of a list is shown, and the way to the others. */
export function Pager({ total, list }: { total: number; list: List }) {
  const { t, i18n } = useTranslation('parts')
  const last = Math.max(1, Math.ceil(total / list.size))
  const from = Math.min((list.page - 1) * list.size + 1, total)
  const to = Math.min(list.page * list.size, total)
  const say = (n: number) => n.toLocaleString(i18n.language)
  return (
    <Group component="nav" aria-label={t('pager.label')} justify="space-between" gap="xs" px={14} py={8} style={{ borderTop: '1px solid var(--berth-line)' }}>
      <Text size="sm" c="dimmed" className="numbers" role="status">{t('pager.range', { from: say(from), to: say(to), total: say(total) })}</Text>
      <Group gap="xs">
        <NativeSelect size="xs" aria-label={t('pager.size')} value={list.size} data={sizes.map((n) => ({ value: String(n), label: t('pager.each', { count: n }) }))}
          onChange={(e) => list.set({ size: Number(e.currentTarget.value) })} />
        {last > 1 && (
          <>
            <ActionIcon size="md" variant="default" aria-label={t('pager.previous')} disabled={list.page <= 1} onClick={() => list.set({ page: Math.min(list.page - 1, last) })}><IconChevronLeft size={16} /></ActionIcon>
            <ActionIcon size="md" variant="default" aria-label={t('pager.next')} disabled={list.page >= last} onClick={() => list.set({ page: list.page + 1 })}><IconChevronRight size={16} /></ActionIcon>
          </>
        )}
      </Group>
    </Group>
  )
}
