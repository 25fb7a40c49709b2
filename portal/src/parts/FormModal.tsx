import { Alert, Button, Group, Modal, Stack } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { words } from './tell'

interface Props {
  title: string
  onClose: () => void
  verb: string // what the button says: "Create"
  disabled?: boolean // while what is filled in cannot be sent
  onSubmit: () => Promise<unknown> // its failure is told in the dialog, which stays; else it closes
  children: ReactNode // the fields
  size?: string | number
}

/** A dialog with fields that are sent together. It is there for as long as it is open. */
export function FormModal({ title, onClose, verb, disabled, onSubmit, children, size }: Props) {
  const { t } = useTranslation('parts')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const send = async () => {
    setBusy(true)
    setError(undefined)
    try {
      await onSubmit()
      onClose()
    } catch (failure) {
      setError(failure)
      setBusy(false)
    }
  }
  return (
    <Modal opened onClose={busy ? () => undefined : onClose} title={title} size={size} closeButtonProps={{ 'aria-label': t('confirm.cancel') }}>
      <form
        noValidate
        onSubmit={(e) => {
          e.preventDefault()
          if (!disabled) void send()
        }}
      >
        <Stack gap="md">
          {children}
          {error !== undefined && <Alert role="alert" color="red">{words(error)}</Alert>}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose} disabled={busy}>{t('confirm.cancel')}</Button>
            <Button type="submit" loading={busy} disabled={disabled}>{verb}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
