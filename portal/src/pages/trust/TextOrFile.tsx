import { Button, FileButton, Textarea } from '@mantine/core'
import { IconUpload } from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'

interface Props {
  label: string
  description?: string
  accept: string // kinds of files
  value?: string
  onChange?: (text: string) => void
  onBlur?: () => void
  error?: ReactNode
}

const most = 1 << 20 // bytes of a file: what is trusted is small

/** A text that is pasted, or read from a file. */
export function TextOrFile({ label, description, accept, value = '', onChange, onBlur, error }: Props) {
  const { t } = useTranslation('trust')
  const [tooLarge, setTooLarge] = useState(false)
  const read = async (file: File | null) => {
    if (!file) return
    setTooLarge(file.size > most)
    if (file.size <= most) onChange?.(await file.text())
  }
  return (
    <Textarea
      label={label} description={description} error={tooLarge ? t('form.tooLarge') : error} rows={7} spellCheck={false} autoComplete="off"
      styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 'var(--mantine-font-size-xs)' } }} inputContainer={(input) => (
        <>
          {input}
          <FileButton onChange={(file) => void read(file)} accept={accept} inputProps={{ 'aria-label': t('form.file', { label }) }}>
            {(props) => <Button {...props} mt={6} size="compact-sm" variant="default" leftSection={<IconUpload size={14} />}>{t('form.fromFile')}</Button>}
          </FileButton>
        </>
      )}
      value={value} onChange={(e) => onChange?.(e.currentTarget.value)} onBlur={onBlur}
    />
  )
}
