import { Checkbox, Group, NativeSelect, Text, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Chosen } from './selectors'

interface Props {
  chosen: Chosen
  onChange: (chosen: Chosen) => void
  withUntagged?: boolean
}

/** Which tags of which repositories a rule is about. */
export function SelectorFields({ chosen, onChange, withUntagged = false }: Props) {
  const { t } = useTranslation('policy')
  const line = (of: 'repositories' | 'tags') => {
    const { except, pattern } = chosen[of]
    return (
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <NativeSelect w={130} label={t(`select.${of}`)} value={except ? 'except' : 'match'} data={[{ value: 'match', label: t('select.match') }, { value: 'except', label: t('select.except') }]}
          onChange={(e) => onChange({ ...chosen, [of]: { pattern, except: e.currentTarget.value === 'except' } })} />
        <TextInput flex={1} aria-label={t(`select.${of}Pattern`)} placeholder="**" autoComplete="off" spellCheck={false} value={pattern} onChange={(e) => onChange({ ...chosen, [of]: { except, pattern: e.currentTarget.value } })} />
      </Group>
    )
  }
  return (
    <>
      {line('repositories')}
      {line('tags')}
      <Text size="xs" c="dimmed" mt={-8}>{t('select.hint')}</Text>
      {withUntagged && <Checkbox label={t('select.untagged')} checked={chosen.untagged} onChange={(e) => onChange({ ...chosen, untagged: e.currentTarget.checked })} />}
    </>
  )
}
