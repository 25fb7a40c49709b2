import { NativeSelect, NumberInput, PasswordInput, Switch, Textarea, TextInput } from '@mantine/core'
import { IconLock } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { bytes, parseBytes } from '~/parts/numbers'
import type { Field } from './fields'
import type { Value } from './queries'

interface Props {
  field: Field
  value: Value | undefined
  fixed: boolean
  error: string | undefined
  onChange: (value: Value) => void
}

/** One setting: what it is, and a way to change it where it is not fixed. */
export function SettingField({ field, value, fixed, error, onChange }: Props) {
  const { t } = useTranslation('settings')
  const hint = t(`hint.${field.key}`)
  const frame = {
    label: t(`field.${field.key}`), disabled: fixed, error, autoComplete: 'off',
    description: fixed ? `${hint} ${t(field.key === 'auth_mode' ? 'fixedMode' : 'fixed')}` : hint,
  }
  const lock = fixed ? <IconLock size={15} aria-hidden /> : undefined
  const text = String(value ?? '')
  switch (field.kind) {
    case 'switch':
      return <Switch {...frame} checked={value === true} onChange={(e) => onChange(e.currentTarget.checked)} />
    case 'number':
      return <NumberInput {...frame} rightSection={lock} maw={460} min={field.least} max={field.most} allowDecimal={false} value={Number(value ?? 0)} onChange={(n) => n !== '' && onChange(Number(n))} />
    case 'choice':
      return <NativeSelect {...frame} maw={460} value={text} data={(field.options ?? []).map((o) => ({ value: o.value, label: t(`option.${o.label}`) }))} onChange={(e) => onChange(typeof value === 'number' ? Number(e.currentTarget.value) : e.currentTarget.value)} />
    case 'long':
      return <Textarea {...frame} maw={640} autosize minRows={2} maxRows={8} spellCheck={false} className="mono" value={text} onChange={(e) => onChange(e.currentTarget.value)} />
    case 'secret':
      return <PasswordInput {...frame} maw={460} autoComplete="new-password" value={text} onChange={(e) => onChange(e.currentTarget.value)} />
    case 'bytes':
      return <BytesField frame={frame} value={Number(value ?? -1)} onChange={onChange} />
    default:
      return <TextInput {...frame} rightSection={lock} maw={460} spellCheck={false} value={text} onChange={(e) => onChange(e.currentTarget.value)} />
  }
}

interface BytesProps {
  frame: { label: string; description: string; disabled: boolean; error: string | undefined }
  value: number
  onChange: (value: number) => void
}

/** A limit of storage: empty for none. */
function BytesField({ frame, value, onChange }: BytesProps) {
  const { t } = useTranslation('settings')
  const [text, setText] = useState(value < 0 ? '' : written(value))
  const wrong = text !== '' && !(parseBytes(text) > 0)
  return (
    <TextInput
      {...frame} maw={460} placeholder={t('unlimited')} error={frame.error ?? (wrong ? t('bytesRule') : undefined)} value={text}
      onChange={(e) => {
        const typed = e.currentTarget.value.trim()
        setText(e.currentTarget.value)
        onChange(typed === '' ? -1 : parseBytes(typed))
      }}
    />
  )
}

function written(n: number): string {
  const text = bytes(n, 'en').replaceAll(',', '')
  return parseBytes(text) === n ? text : String(n)
}
