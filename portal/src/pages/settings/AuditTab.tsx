import { Checkbox, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { ErrorState } from '~/parts/ErrorState'
import { audit } from './fields'
import { editable, eventTypes, settings } from './queries'
import { SettingsGroup } from './SettingsGroup'
import { useForm } from './useForm'

/** What is written to the audit log, and where else it goes. */
export default function AuditTab() {
  const { t } = useTranslation('settings')
  return (
    <Stack gap="md">
      <SettingsGroup title={t('group.audit')} fields={audit} form={useForm()} />
      <Events />
    </Stack>
  )
}

const key = 'disabled_audit_log_event_types'

/** Which kinds of events are written: what is not marked is not. */
function Events() {
  const { t } = useTranslation('settings')
  const { data: all } = useSuspenseQuery(settings)
  const query = useQuery(eventTypes)
  const form = useForm()
  const off = String(form.value(key) ?? '').split(',').map((e) => e.trim()).filter(Boolean)
  const known = query.data ?? []
  const fixed = !editable(all, key)
  // What this page does not know stays turned off.
  const set = (on: string[]) => form.set(key, [...off.filter((e) => !known.includes(e)), ...known.filter((e) => !on.includes(e))].join(','))
  return (
    <SettingsGroup title={t('group.events')} about={`${t('about.events')}${fixed ? ` ${t('fixed')}` : ''}`} fields={[]} form={form}>
      {query.isError && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      <Checkbox.Group label={<Text component="span" inherit fw={500}>{t('events', { count: known.filter((e) => !off.includes(e)).length, total: known.length })}</Text>} value={known.filter((e) => !off.includes(e))} onChange={set}>
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing={8} mt={8}>
          {known.map((event) => <Checkbox key={event} value={event} disabled={fixed} label={<span className="mono">{event}</span>} />)}
        </SimpleGrid>
      </Checkbox.Group>
    </SettingsGroup>
  )
}
