import { Alert, Button, Fieldset, Group, Radio, Stack, Text } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import { type Project, projectSummary, projectsKey } from '~/pages/projects/queries'
import { Panel } from '~/parts/Panel'
import { tellDone, words } from '~/parts/tell'
import { UsageBar } from '~/parts/UsageBar'
import { Allowlist } from './Allowlist'
import { CacheFields } from './CacheFields'
import classes from './ConfigurationTab.module.css'
import { PullRules, PushRules } from './Rules'
import { saveSettings } from './queries'
import { isLimit, type Settings, settingsOf } from './settings'

export default function ConfigurationTab() {
  const { project } = useProject()
  // What is saved is another project to the form.
  return <Form key={project.update_time + JSON.stringify(project.metadata)} project={project} />
}

function Form({ project }: { project: Project }) {
  const { t } = useTranslation('projectConfig')
  const { name, may } = useProject()
  const cache = Boolean(project.registry_id)
  const mayChange = may('configuration', 'update')
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const form = useForm<Settings>({
    initialValues: settingsOf(project),
    validate: { speed: (text) => (isLimit(text) ? null : t('cache.limitRule')), connections: (text) => (isLimit(text) ? null : t('cache.limitRule')) },
  })
  const save = async (values: Settings) => {
    setBusy(true)
    setError(undefined)
    try {
      await saveSettings(name, values, cache)
      tellDone(t('saved'))
      await queries.invalidateQueries({ queryKey: projectsKey })
    } catch (failure) {
      setError(failure)
    }
    setBusy(false)
  }
  return (
    <form noValidate onSubmit={form.onSubmit((values) => void save(values))}>
      <Fieldset variant="unstyled" disabled={!mayChange || busy} aria-label={t('label')}>
        <Stack gap="md">
          {!mayChange && <Alert color="gray">{t('readOnly')}</Alert>}
          <Panel title={t('visibility.title')}>
            <Radio.Group aria-label={t('visibility.title')} value={String(form.values.public)} onChange={(value) => form.setFieldValue('public', value === 'true')}>
              <Stack gap="sm">
                <Radio value="false" label={t('visibility.private')} description={t('visibility.privateHint')} />
                <Radio value="true" label={t('visibility.public')} description={t('visibility.publicHint')} />
              </Stack>
            </Radio.Group>
          </Panel>
          <PullRules form={form} cache={cache} />
          <PushRules form={form} cache={cache} />
          <Allowlist form={form} />
          {cache && <CacheFields form={form} project={name} />}
          <Storage project={name} />
        </Stack>
      </Fieldset>
      {mayChange && (
        <div className={classes.bar} data-dirty={form.isDirty() || undefined}>
          {error !== undefined && <Alert role="alert" color="red" mb="sm">{words(error)}</Alert>}
          <Group justify="flex-end" gap="xs">
            {form.isDirty() && <Text size="sm" c="dimmed" role="status" mr="auto">{t('unsaved')}</Text>}
            <Button variant="default" disabled={!form.isDirty() || busy} onClick={form.reset}>{t('reset')}</Button>
            <Button type="submit" loading={busy} disabled={!form.isDirty() || !form.isValid()}>{t('save')}</Button>
          </Group>
        </div>
      )}
    </form>
  )
}

function Storage({ project }: { project: string }) {
  const { t } = useTranslation('projectConfig')
  const { data } = useQuery(projectSummary(project))
  if (!data?.quota) return null
  return (
    <Panel title={t('storage.title')}>
      <UsageBar used={data.quota.used['storage'] ?? 0} hard={data.quota.hard['storage'] ?? -1} />
      <Text size="sm" c="dimmed" mt="xs">{t('storage.hint')}</Text>
    </Panel>
  )
}
