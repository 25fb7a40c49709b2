import { ActionIcon, Alert, Button, Fieldset, Group, Radio, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { field } from '~/parts/field'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { isPrivate, kindOf, trustKinds } from './kinds'
import { type Fields, saveTrust, type Trust, trustKey } from './queries'
import { TextOrFile } from './TextOrFile'

interface Props {
  project: string
  entry?: Trust // undefined: a new one
  readOnly: boolean
  onClose: () => void
}

/** The dialog that says whom a project trusts: a new entry, or one that is there. */
export default function TrustForm({ project, entry, readOnly, onClose }: Props) {
  const { t } = useTranslation('trust')
  const queries = useQueryClient()
  const nobody = { issuer: '', subject: '' }
  const form = useForm<Fields>({
    initialValues: {
      name: entry?.name ?? '', description: entry?.description ?? '', kind: entry?.kind ?? 'key', content: entry?.content ?? '', timestamps: entry?.timestamps ?? '',
      identities: entry?.identities?.length ? entry.identities.map((id) => ({ ...nobody, ...id })) : [nobody],
    },
    validate: {
      name: (name) => (name.trim() && name.length <= 64 ? null : t('form.nameRule')),
      content: (content) => (isPrivate(content) ? t('form.private') : content.trim() ? null : t('form.contentRule')),
      identities: {
        subject: (subject, { kind }) => (!kindOf(kind).identities || subject.trim() ? null : t('form.subjectRule')),
        issuer: (issuer, { kind }) => (!kindOf(kind).issuer || issuer.trim() ? null : t('form.issuerRule')),
      },
    },
  })
  const { kind, identities } = form.values
  const has = kindOf(kind)
  const save = async () => {
    if (readOnly) return
    await saveTrust(project, form.values, entry?.id)
    await queries.invalidateQueries({ queryKey: trustKey })
    tellDone(t(entry ? 'edit.done' : 'create.done', { name: form.values.name.trim() }))
  }
  return (
    <FormModal size="lg" title={entry ? t('edit.title', { name: entry.name }) : t('create.open')} onClose={onClose} verb={t(readOnly ? 'show.close' : entry ? 'edit.verb' : 'create.verb')} disabled={!readOnly && !form.isValid()} onSubmit={save}>
      <Fieldset variant="unstyled" disabled={readOnly}>
        <Stack gap="md">
          <TextInput data-autofocus label={t('name')} maxLength={64} autoComplete="off" {...field(form, 'name')} />
          <TextInput label={t('form.description')} autoComplete="off" {...form.getInputProps('description')} />
          {!entry && (
            <Radio.Group label={t('kind.label')} {...form.getInputProps('kind')}>
              <Stack gap={8} mt={6}>{trustKinds.map(({ name }) => <Radio key={name} value={name} label={t(`kind.${name}`)} description={t(`kindHint.${name}`)} />)}</Stack>
            </Radio.Group>
          )}
          <TextOrFile label={t(`content.${has.name}`)} accept={has.file} {...field(form, 'content')} />
          {has.identities && (
            <Stack gap="xs">
              <Text size="sm" fw={560}>{t('identities')}</Text>
              <Text size="sm" c="dimmed">{t(`identityHint.${has.name}`)}</Text>
              {identities.map((_, i) => (
                <Group key={i} gap="xs" align="flex-start" wrap="nowrap">
                  <Stack gap="xs" flex={1}>
                    {has.issuer && <TextInput label={t('form.issuer')} placeholder="https://" spellCheck={false} autoComplete="off" {...field(form, `identities.${i}.issuer`)} />}
                    <TextInput label={t('form.subject')} spellCheck={false} autoComplete="off" {...field(form, `identities.${i}.subject`)} />
                  </Stack>
                  {identities.length > 1 && <ActionIcon mt={24} aria-label={t('form.remove', { number: i + 1 })} onClick={() => form.removeListItem('identities', i)}><IconTrash size={16} /></ActionIcon>}
                </Group>
              ))}
              <div><Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} />} onClick={() => form.insertListItem('identities', nobody)}>{t('form.another')}</Button></div>
            </Stack>
          )}
          {has.timestamps && <TextOrFile label={t('form.timestamps')} description={t('form.timestampsHint')} accept=".pem,.crt,.cer" {...form.getInputProps('timestamps')} />}
        </Stack>
      </Fieldset>
      {!readOnly && <Alert color="gray">{t('form.public')}</Alert>}
    </FormModal>
  )
}
