import { createContext, lazy, type ReactNode, Suspense, useContext, useState } from 'react'
import type { Work } from './Batch'

const ConfirmDialog = lazy(() => import('./ConfirmDialog'))

/** What somebody is asked before something is lost. */
export interface Question {
  title: string // the question: "Delete the project library?"
  loses?: ReactNode // what will be lost, in words
  names?: string[] // which things, by name; the first few are shown
  type?: string // a name to be typed first, where very much is lost
  verb: string // what the button says: "Delete"
  action: (() => Promise<unknown>) | Omit<Work, 'title'> // one thing, whose failure is told in the dialog, which stays; or one after the other
  done?: string // said in a corner afterwards
}

const Ask = createContext<(question: Question) => void>(() => undefined)

/** Returns what asks before it does: confirm({ title, names, verb, action }). */
export const useConfirm = () => useContext(Ask)

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
      <Suspense>{question && <ConfirmDialog key={question.title} question={question} opened={opened} onClose={() => setOpened(false)} />}</Suspense>
    </Ask>
  )
}
