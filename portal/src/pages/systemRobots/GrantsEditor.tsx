import { Accordion, Autocomplete, Button, Group, Input, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Action, presets } from '~/pages/robots/permissions'
import { PermissionMatrix } from '~/pages/robots/PermissionMatrix'
import { everyProject, type Grants, system } from './grants'
import { projectNames } from './queries'

interface Props {
  grants: Grants
  onChange: (grants: Grants) => void
  catalogue: { system: Action[]; project: Action[] }
}

/** What a robot may do, place by place. */
export function GrantsEditor({ grants, onChange, catalogue }: Props) {
  const { t } = useTranslation('system')
  const { t: tr } = useTranslation('robots')
  const [open, setOpen] = useState<string | null>(null)
  const put = (place: string, chosen: Set<string>) => onChange(new Map([...grants, [place, chosen]]))
  const add = (project: string) => {
    if (!grants.has(project)) put(project, new Set(presets.pull))
    setOpen(project)
  }
  const name = (place: string) => (place === system ? t('robots.system') : place === everyProject ? t('robots.everyProject') : place)
  return (
    <div>
      <Input.Label component="div">{tr('permissions')}</Input.Label>
      <Text size="sm" c="dimmed" mb={8}>{t('robots.permissionsHint')}</Text>
      <Accordion variant="separated" value={open} onChange={setOpen}>
        {[...grants].map(([place, chosen]) => (
          <Accordion.Item key={place} value={place}>
            <Accordion.Control>
              <Group justify="space-between" gap="xs" pr="xs"><Text component="span" fw={560} style={{ overflowWrap: 'anywhere' }}>{name(place)}</Text><Text component="span" size="sm" c="dimmed">{tr('matrix.chosen', { count: chosen.size })}</Text></Group>
            </Accordion.Control>
            <Accordion.Panel>
              {place === open && (
                <PermissionMatrix label={name(place)} catalogue={place === system ? catalogue.system : catalogue.project} chosen={chosen} onChange={(next) => put(place, next)} withPresets={place !== system} />
              )}
              {place !== system && place !== everyProject && (
                <Button mt="xs" size="compact-sm" variant="default" onClick={() => onChange(new Map([...grants].filter(([other]) => other !== place)))}>{t('robots.without', { name: place })}</Button>
              )}
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
      <AddProject known={[...grants.keys()]} onAdd={add} />
    </div>
  )
}

function AddProject({ known, onAdd }: { known: string[]; onAdd: (name: string) => void }) {
  const { t } = useTranslation('system')
  const [text, setText] = useState('')
  const [asked] = useDebouncedValue(text.trim(), 200)
  const { data: found = [] } = useQuery(projectNames(asked))
  return (
    <Autocomplete
      mt="sm" label={t('robots.add')} placeholder={t('robots.addHint')} autoComplete="off" data={found.filter((name) => !known.includes(name))}
      filter={({ options }) => options} value={text} onChange={setText}
      onOptionSubmit={(name) => {
        onAdd(name)
        // The field takes the name first.
        queueMicrotask(() => setText(''))
      }}
    />
  )
}
