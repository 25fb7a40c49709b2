import { createContext, lazy, type ReactNode, Suspense, useContext, useRef, useState } from 'react'
import { tellDone, tellFailure, words } from './tell'

const BatchDialog = lazy(() => import('./BatchDialog'))

/** Something that is done with many things, one after the other. */
export interface Work {
  title: string // "Delete 12 artifacts"
  items: { name: string; act: () => Promise<unknown> }[]
  done: string // said in a corner when all is done
  after: () => unknown // whatever came of it: what was read is to be read again
}

/** How far a work is. */
export interface Progress {
  work: Work
  over: number
  failed: { name: string; reason: string }[]
  ended: boolean // some failed, or it was stopped
}

const Do = createContext<(work: Work) => void>(() => undefined)

/**
 * Returns what does a work. Of several things it shows how far it is, can be
 * stopped, goes on where one fails, and says in the end which did.
 */
export const useBatch = () => useContext(Do)

export function BatchProvider({ children }: { children: ReactNode }) {
  const [progress, setProgress] = useState<Progress>()
  const stopped = useRef(false)
  const start = async (work: Work) => {
    stopped.current = false
    const now: Progress = { work, over: 0, failed: [], ended: false }
    const show = () => setProgress(work.items.length > 1 ? { ...now, failed: [...now.failed] } : undefined)
    for (const { name, act } of work.items) {
      if (stopped.current) break
      show()
      try {
        await act()
      } catch (error) {
        if (work.items.length === 1) tellFailure(error)
        now.failed.push({ name, reason: words(error) })
      }
      now.over++
    }
    await work.after()
    now.ended = now.failed.length > 0 || now.over < work.items.length
    if (now.ended) return show()
    setProgress(undefined)
    tellDone(work.done)
  }
  return (
    <Do value={(work) => void start(work)}>
      {children}
      <Suspense>{progress && <BatchDialog progress={progress} onStop={() => (stopped.current = true)} onClose={() => setProgress(undefined)} />}</Suspense>
    </Do>
  )
}
