import { Group, Input, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { field } from '~/parts/field'
import { FormModal } from '~/parts/FormModal'
import { LabelMark } from '~/parts/LabelMark'
import { tellDone } from '~/parts/tell'
import { isColor, palette } from './color'
import classes from './Labels.module.css'
import { type Label, labelsKey, saveLabel, type Scope } from './queries'

/** The dialog that creates a label, or changes one. */
export default function LabelForm({ scope, label, onClose }: { scope: Scope; label?: Label; onClose: () => void }) {
  const { t } = useTranslation('labels')
  const queries = useQueryClient()
  const form = useForm({
    initialValues: { name: label?.name ?? '', description: label?.description ?? '', color: label?.color ?? palette[0] ?? '' },
    validate: {
      name: (name) => (name.trim() ? null : t('form.nameRule')),
      color: (color) => (isColor(color) ? null : t('form.colorRule')),
    },
  })
  const { name, color } = form.values
  const save = async () => {
    const fields = { ...form.values, name: name.trim() }
    await saveLabel(scope, fields, label?.id)
    await queries.invalidateQueries({ queryKey: labelsKey })
    tellDone(t(label ? 'edit.done' : 'create.done', { name: fields.name }))
  }
  return (
    <FormModal title={label ? t('edit.title', { name: label.name }) : t('create.open')} onClose={onClose} verb={t(label ? 'edit.verb' : 'create.verb')} disabled={!form.isValid()} onSubmit={save}>
      <TextInput data-autofocus label={t('name')} maxLength={128} autoComplete="off" {...field(form, 'name')} />
      <TextInput label={t('description')} autoComplete="off" {...form.getInputProps('description')} />
      <Stack gap={8}>
        <Input.Label component="div" id="label-colors">{t('form.color')}</Input.Label>
        <div className={classes.palette} role="radiogroup" aria-labelledby="label-colors">
          {palette.map((c) => (
            <button key={c} type="button" role="radio" className={classes.swatch} style={{ background: c }} aria-checked={c === color.toLowerCase()} aria-label={c} onClick={() => form.setFieldValue('color', c)} />
          ))}
        </div>
        <TextInput label={t('form.own')} w={150} spellCheck={false} autoComplete="off" {...field(form, 'color')} />
      </Stack>
      <Group gap="xs"><Text size="sm" c="dimmed">{t('form.preview')}</Text><LabelMark name={name.trim() || t('name')} color={color} /></Group>
    </FormModal>
  )
}
