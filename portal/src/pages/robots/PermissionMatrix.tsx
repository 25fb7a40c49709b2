import { Button, Checkbox, Group, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { type Action, byResource, columnsOf, granted, keyOf, presets } from './permissions'
import classes from './PermissionMatrix.module.css'
import { useNames } from './useNames'

interface Props {
  label: string
  catalogue: Action[] // what may be granted
  chosen: Set<string> // as keyOf writes them
  onChange: (chosen: Set<string>) => void
  withPresets?: boolean
}

/** What a robot account may do: a line for each resource, a column for each action. */
export function PermissionMatrix({ label, catalogue, chosen, onChange, withPresets = true }: Props) {
  const { t } = useTranslation('robots')
  const say = useNames()
  const columns = columnsOf(catalogue)
  const all = catalogue.map(keyOf)
  const put = (keys: string[], on: boolean) => onChange(on ? new Set([...chosen, ...keys]) : new Set([...chosen].filter((k) => !keys.includes(k))))
  const preset = (keys: readonly string[]) => onChange(new Set(granted(new Set(keys), catalogue).map(keyOf)))
  return (
    <div>
      <Group justify="space-between" gap="xs" mb={8}>
        <Text size="sm" c="dimmed" role="status">{t('matrix.chosen', { count: chosen.size })}</Text>
        <Group gap={6}>
          {withPresets && <Button size="compact-sm" variant="default" onClick={() => preset(presets.pull)}>{t('matrix.pull')}</Button>}
          {withPresets && <Button size="compact-sm" variant="default" onClick={() => preset(presets.push)}>{t('matrix.push')}</Button>}
          <Button size="compact-sm" variant="default" onClick={() => preset(all)}>{t('matrix.all')}</Button>
          <Button size="compact-sm" variant="default" onClick={() => preset([])}>{t('matrix.none')}</Button>
        </Group>
      </Group>
      <div className={classes.frame} role="region" aria-label={label} tabIndex={0}>
        <table className={classes.table} aria-label={label}>
          <thead>
            <tr>
              <th scope="col">{t('matrix.resource')}</th>
              {columns.map((action) => <th key={action} scope="col">{say.action(action)}</th>)}
            </tr>
          </thead>
          <tbody>
            {[...byResource(catalogue)].map(([resource, actions]) => {
              const keys = actions.map((action) => keyOf({ resource, action }))
              const on = keys.filter((k) => chosen.has(k)).length
              return (
                <tr key={resource}>
                  <th scope="row">
                    <Checkbox size="xs" label={say.resource(resource)} aria-label={t('matrix.row', { resource: say.resource(resource) })} checked={on === keys.length} indeterminate={on > 0 && on < keys.length} onChange={(e) => put(keys, e.currentTarget.checked)} />
                  </th>
                  {columns.map((action) => {
                    const key = keyOf({ resource, action })
                    return (
                      <td key={action}>
                        {actions.includes(action) && <Checkbox size="xs" className={classes.box} aria-label={`${say.resource(resource)}: ${say.action(action)}`} checked={chosen.has(key)} onChange={(e) => put([key], e.currentTarget.checked)} />}
                      </td>
                    )
                  })}
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </div>
  )
}
