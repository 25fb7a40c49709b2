import { Combobox, Loader, Text, TextInput, useCombobox } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconPackage, IconSearch, IconStack2 } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api, data } from '~/api/client'
import { withoutProject } from '~/parts/names'

const shown = 8 // of each kind

/** Finds projects and repositories by a part of their names, from everywhere. */
export function SearchBox() {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const [asked] = useDebouncedValue(text.trim(), 200)
  const box = useCombobox({ onDropdownClose: () => box.resetSelectedOption() })
  const navigate = useNavigate()
  const { data: found, isFetching } = useQuery({
    queryKey: ['search', asked],
    queryFn: () => data(api.GET('/search', { params: { query: { q: asked } } })),
    enabled: asked !== '',
    placeholderData: (before) => before,
  })
  const projects = found?.project.slice(0, shown) ?? []
  const repositories = found?.repository.slice(0, shown) ?? []
  const more = (found ? found.project.length + found.repository.length : 0) - projects.length - repositories.length

  const go = (value: string) => {
    const [project = '', repository] = split(value)
    setText('')
    box.closeDropdown()
    void (repository
      ? navigate({ to: '/projects/$project/repositories/$repository', params: { project, repository } })
      : navigate({ to: '/projects/$project', params: { project } }))
  }

  const all = () => {
    if (!text.trim()) return
    box.closeDropdown()
    void navigate({ to: '/search', search: { q: text.trim() } })
    setText('')
  }

  return (
    <Combobox store={box} onOptionSubmit={go} withinPortal>
      <Combobox.Target>
        <TextInput
          type="search"
          variant="filled"
          aria-label={t('search.label')}
          placeholder={t('search.label')}
          leftSection={<IconSearch size={16} />}
          rightSection={asked && isFetching ? <Loader size={14} /> : null}
          value={text}
          onChange={(e) => {
            setText(e.currentTarget.value)
            box.openDropdown()
            box.updateSelectedOptionIndex()
          }}
          // An option that is marked is gone to; else all that is found is shown.
          onKeyDown={(e) => e.key === 'Enter' && box.getSelectedOptionIndex() < 0 && all()}
          onFocus={() => box.openDropdown()}
          onBlur={() => box.closeDropdown()}
        />
      </Combobox.Target>
      <Combobox.Dropdown hidden={asked === '' || !found}>
        <Combobox.Options mah={420} style={{ overflowY: 'auto' }} aria-label={t('search.label')}>
          {projects.length > 0 && (
            <Combobox.Group label={t('navigation.projects')}>
              {projects.map((p) => <Option key={p.project_id} value={p.name} text={p.name} icon={<IconStack2 size={16} />} />)}
            </Combobox.Group>
          )}
          {repositories.length > 0 && (
            <Combobox.Group label={t('search.repositories')}>
              {repositories.map((r) => <Option key={r.repository_name} value={`${r.project_name}/${withoutProject(r.repository_name)}`} text={r.repository_name} icon={<IconPackage size={16} />} />)}
            </Combobox.Group>
          )}
          {projects.length + repositories.length === 0 && <Combobox.Empty>{t('search.nothing', { text: asked })}</Combobox.Empty>}
        </Combobox.Options>
        {more > 0 && <Combobox.Footer><Text size="xs" c="dimmed">{t('search.more', { count: more })}</Text></Combobox.Footer>}
      </Combobox.Dropdown>
    </Combobox>
  )
}

function Option({ value, text, icon }: { value: string; text: string; icon: React.ReactNode }) {
  return (
    <Combobox.Option value={value}>
      <Text component="span" size="sm" display="flex" style={{ gap: 8, alignItems: 'center', overflowWrap: 'anywhere' }}>{icon}{text}</Text>
    </Combobox.Option>
  )
}

/** Divides "project/repository/with/parts" at its first slash. */
function split(value: string): [string, string?] {
  const at = value.indexOf('/')
  return at < 0 ? [value] : [value.slice(0, at), value.slice(at + 1)]
}
