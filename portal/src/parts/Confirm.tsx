import { Alert, Button, Group, List, Modal, Stack, Text, TextInput } from '@mantine/core'
import { createContext, type ReactNode, Suspense, useContext, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { tellDone, words } from './tell'

/** What somebody is asked before something is lost. */
export interface Question {
  title: string // the question: "Delete the project library?"
  loses?: ReactNode // what will be lost, in words
  names?: string[] // which things, by name; the first few are shown
  type?: string // a name to be typed first, where very much is lost
  verb: string // what the button says: "Delete"
  action: () => Promise<unknown> // its failure is told in the dialog, which stays
  done?: string // said in a corner afterwards
}

const Ask = createContext<(question: Question) => void>(() => undefined)

/** Returns what asks before it does: confirm({ title, names, verb, action }). */
export const useConfirm = () => useContext(Ask)

const shown = 6

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question>()
  const [opened, setOpened] = useState(false)
  const ask = (next: Question) => {
    setQuestion(next)
    setOpened(true)
  }
  return (
    <Ask value={ask}>
      {children}
      <Suspense>{question && <Confirm key={question.title} question={question} opened={opened} onClose={() => setOpened(false)} />}</Suspense>
    </Ask>
  )
}

interface Props {
  question: Question
  opened: boolean
  onClose: () => void
}

function Confirm({ question, opened, onClose }: Props) {
  const { t } = useTranslation('parts')
  const [typed, setTyped] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const names = question.names ?? []
  const close = () => {
    setTyped('')
    setError(undefined)
    onClose()
  }
  const act = async () => {
    setBusy(true)
    setError(undefined)
    try {
      await question.action()
      close()
      if (question.done) tellDone(question.done)
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
