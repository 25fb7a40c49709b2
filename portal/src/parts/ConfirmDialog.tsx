import { Alert, Button, Group, List, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useBatch } from './Batch'
import type { Question } from './Confirm'
import { tellDone, words } from './tell'

const shown = 6

interface Props {
  question: Question
  opened: boolean
  onClose: () => void
}

/** Asks a question; see Confirm.tsx, which fetches this when something is asked. */
export default function ConfirmDialog({ question, opened, onClose }: Props) {
  const { t } = useTranslation('parts')
  const [typed, setTyped] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const batch = useBatch()
  const names = question.names ?? []
  const close = () => {
    setTyped('')
    setError(undefined)
    onClose()
  }
  const act = async () => {
    const { action, verb } = question
    if (typeof action !== 'function' && action.items.length > 1) {
      close()
      return batch({ ...action, title: verb })
    }
    setBusy(true)
    setError(undefined)
    try {
      await (typeof action === 'function' ? action() : action.items[0]?.act().finally(action.after))
      close()
      const done = typeof action === 'function' ? question.done : action.done
      if (done) tellDone(done)
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Modal opened={opened} onClose={busy ? () => undefined : close} title={question.title} closeButtonProps={{ 'aria-label': t('confirm.cancel') }}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          void act()
        }}
      >
        <Stack gap="sm">
          {question.loses && <Text component="div">{question.loses}</Text>}
          {names.length > 0 && (
            <List size="sm" style={{ overflowWrap: 'anywhere' }}>
              {names.slice(0, shown).map((name) => <List.Item key={name}><b>{name}</b></List.Item>)}
              {names.length > shown && <List.Item>{t('confirm.more', { count: names.length - shown })}</List.Item>}
            </List>
          )}
          {question.type && (
            <TextInput data-autofocus autoComplete="off" spellCheck={false} label={t('confirm.type', { name: question.type })} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} />
          )}
          {error !== undefined && <Alert role="alert" color="red">{words(error)}</Alert>}
          <Group justify="flex-end" gap="xs" mt="xs">
            <Button variant="default" onClick={close} disabled={busy} data-autofocus={question.type ? undefined : true}>{t('confirm.cancel')}</Button>
            <Button type="submit" color="red.8" loading={busy} disabled={question.type !== undefined && typed !== question.type}>{question.verb}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
