import { ActionIcon, Checkbox, Fieldset, Group, NativeSelect, SegmentedControl, Stack, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { IconTrash } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { field } from '~/parts/field'
import type { Fields, Target } from './queries'

interface Props {
  form: UseFormReturnType<Fields>
  index: number
  target: Target
  formats: string[]
  onRemove?: () => void
}

/** One of the places that a policy sends to. */
export function TargetFields({ form, index, target, formats, onRemove }: Props) {
  const { t } = useTranslation('webhooks')
  const at = (name: keyof Target) => `targets.${index}.${name}` as const
  return (
    <Fieldset aria-label={t('form.target', { number: index + 1 })} p="sm">
      <Stack gap="sm">
        <Group justify="space-between">
          <SegmentedControl size="xs" aria-label={t('form.type')} data={[{ value: 'http', label: 'HTTP' }, { value: 'slack', label: 'Slack' }]} {...form.getInputProps(at('type'))} />
          {onRemove && <ActionIcon size="md" aria-label={t('form.removeTarget', { number: index + 1 })} onClick={onRemove}><IconTrash size={16} /></ActionIcon>}
        </Group>
        <TextInput label={t('form.address')} placeholder="https://" autoComplete="off" spellCheck={false} {...field(form, at('address'))} />
        {target.type !== 'slack' && (
          <>
            <NativeSelect label={t('form.format')} data={formats} {...form.getInputProps(at('payload_format'))} />
            <TextInput label={t('form.header')} description={t('form.headerHint')} autoComplete="off" spellCheck={false} {...form.getInputProps(at('auth_header'))} />
          </>
        )}
        <Checkbox label={t('form.skip')} description={t('form.skipHint')} {...form.getInputProps(at('skip_cert_verify'), { type: 'checkbox' })} />
      </Stack>
    </Fieldset>
  )
}
