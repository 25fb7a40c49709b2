import { Button, Code, Group, Radio, Stack, Text, Textarea, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { cveIds } from '~/pages/interrogation/allowed'
import { allowlist as systemAllowlist } from '~/pages/interrogation/queries'
import { endOfDay } from '~/parts/days'
import { Panel } from '~/parts/Panel'
import type { Settings } from './settings'

const shown = 12 // CVEs of the system's list

/** The CVEs that keep no image from being pulled: of the system, or of the project. */
export function Allowlist({ form }: { form: UseFormReturnType<Settings> }) {
  const { t, i18n } = useTranslation('projectConfig')
  const { data: system } = useQuery(systemAllowlist)
  const ids = (system?.items ?? []).map((i) => i.cve_id)
  const { allowlist, cves, endsOn } = form.values
  const count = cveIds(cves).length
  const ended = (endOfDay(endsOn) ?? Infinity) < Date.now() / 1000
  return (
    <Panel title={t('allow.title')}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">{t('allow.text')}</Text>
        <Radio.Group aria-label={t('allow.title')} {...form.getInputProps('allowlist')}>
          <Stack gap="sm">
            <Radio value="system" label={t('allow.system')} description={t('allow.systemHint')} />
            <Radio value="project" label={t('allow.project')} description={t('allow.projectHint')} />
          </Stack>
        </Radio.Group>
        {allowlist === 'system' ? (
          <div>
            <Text size="sm" mb={4}>{t('allow.count', { count: ids.length })}{system?.expires_at ? ` ${t('allow.until', { at: new Date(system.expires_at * 1000).toLocaleDateString(i18n.language, { dateStyle: 'long' }) })}` : ''}</Text>
            <Group gap={6}>{ids.slice(0, shown).map((id) => <Code key={id}>{id}</Code>)}{ids.length > shown && <Text size="sm" c="dimmed">…</Text>}</Group>
          </div>
        ) : (
          <>
            <Textarea label={t('allow.cves')} description={t('allow.cvesHint')} rows={6} spellCheck={false} autoComplete="off" {...form.getInputProps('cves')} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }} />
            <Group gap="sm">
              <Text size="sm" c="dimmed" role="status">{t('allow.count', { count })}</Text>
              {ids.length > 0 && <Button size="compact-sm" variant="default" onClick={() => form.setFieldValue('cves', cveIds(`${cves}\n${ids.join('\n')}`).join('\n'))}>{t('allow.copy')}</Button>}
            </Group>
            <TextInput type="date" w={220} label={t('allow.ends')} description={t('allow.endsHint')} {...form.getInputProps('endsOn')} error={ended ? t('allow.ended') : undefined} />
          </>
        )}
      </Stack>
    </Panel>
  )
}
