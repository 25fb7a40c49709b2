import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Panel } from '~/parts/Panel'
import { words } from '~/parts/tell'
import { keyIn } from './draft'
import type { Field } from './fields'
import { editable, settings } from './queries'
import { SettingField } from './SettingField'
import type { Form } from './useForm'

interface Props {
  title: string
  about?: string
  fields: Field[]
  form: Form
  children?: ReactNode // more fields
  actions?: ReactNode // beside the button that saves
}

/** Settings that are saved together. Only what was changed is sent. */
export function SettingsGroup({ title, about, fields, form, children, actions }: Props) {
  const { t } = useTranslation('settings')
  const { data: all } = useSuspenseQuery(settings)
  const keys = fields.map((f) => f.key)
  const message = form.error === undefined ? '' : words(form.error)
  const at = keyIn(message, keys)
  return (
    <Panel title={title}>
      <form
        noValidate aria-label={title}
        onSubmit={(e) => {
          e.preventDefault()
          if (form.ready) void form.save()
        }}
      >
        <Stack gap="md">
          {about && <Text c="dimmed">{about}</Text>}
          {fields.map((field) => (
            <SettingField
              key={`${field.key}-${form.saved}`} field={field} value={form.value(field.key)} fixed={!editable(all, field.key)}
              error={at === field.key ? message : undefined} onChange={(value) => form.set(field.key, value)}
            />
          ))}
          {children}
          {message && !at && <Alert role="alert" color="red">{message}</Alert>}
          <Group gap="xs">
            <Button type="submit" loading={form.busy} disabled={!form.ready}>{t('save')}</Button>
            {form.dirty && <Button variant="default" disabled={form.busy} onClick={form.reset}>{t('discard')}</Button>}
            {actions}
          </Group>
        </Stack>
      </form>
    </Panel>
  )
}
