import { Button, Combobox, Loader, Text, useCombobox } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconTag } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { LabelMark } from '~/parts/LabelMark'
import { words } from '~/parts/tell'
import { type Label, labelsFor } from './queries'

interface Props {
  projectId: number
  without?: { id: number }[] // labels that are not offered
  onPick: (label: Label) => void
  verb: string // what the button says
  size?: 'compact-xs' | 'sm'
}

/** A button that offers the labels of the project and those of all projects. */
export function LabelPicker({ projectId, without = [], onPick, verb, size = 'compact-xs' }: Props) {
  const { t } = useTranslation('artifact')
  const [search, setSearch] = useState('')
  const box = useCombobox({
    onDropdownClose: () => {
      box.resetSelectedOption()
      box.focusTarget()
      setSearch('')
    },
    onDropdownOpen: () => box.focusSearchInput(),
  })
  const [part] = useDebouncedValue(search.trim(), 200)
  const query = useQuery({ ...labelsFor(projectId, part), enabled: box.dropdownOpened })
  const taken = new Set(without.map((l) => l.id))
  const offered = (query.data ?? []).filter((l) => !taken.has(l.id))
  const pick = (id: string) => {
    const label = offered.find((l) => String(l.id) === id)
    if (label) onPick(label)
    box.closeDropdown()
  }
  return (
    <Combobox store={box} onOptionSubmit={pick} width={280} position="bottom-start" withinPortal>
      <Combobox.Target withAriaAttributes={false}>
        <Button size={size} variant="default" leftSection={<IconTag size={13} />} aria-haspopup="listbox" aria-expanded={box.dropdownOpened} onClick={() => box.toggleDropdown()}>{verb}</Button>
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search aria-label={t('labels.search')} placeholder={t('labels.search')} value={search} onChange={(e) => setSearch(e.currentTarget.value)} />
        <Combobox.Options mah={280} style={{ overflowY: 'auto' }} aria-label={t('labels.label')}>
          {query.isPending && <Combobox.Empty><Loader size="xs" /></Combobox.Empty>}
          {query.isError && <Combobox.Empty>{words(query.error)}</Combobox.Empty>}
          {offered.map((l) => (
            <Combobox.Option key={l.id} value={String(l.id)}>
              <LabelMark name={l.name} color={l.color} />
              <Text component="span" size="xs" c="dimmed" ml={6}>{t(l.scope === 'g' ? 'labels.everywhere' : 'labels.ofProject')}</Text>
            </Combobox.Option>
          ))}
          {query.data && offered.length === 0 && <Combobox.Empty>{t(part === '' ? 'labels.none' : 'labels.nothing')}</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
