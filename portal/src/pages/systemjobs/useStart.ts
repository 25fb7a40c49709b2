import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { tellDone, tellFailure } from '~/parts/tell'
import { type Parameters, type Work, workKey } from './queries'

/** Has work done now. With what is said in a corner then, failures are told there too. */
export function useStart(work: Work) {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const start = async (parameters?: Parameters, said?: string) => {
    setBusy(true)
    try {
      await work.set({ type: 'Manual', cron: '' }, parameters)
      await queries.invalidateQueries({ queryKey: workKey(work) })
      if (said) tellDone(said)
    } catch (error) {
      if (!said) throw error
      tellFailure(error)
    } finally {
      setBusy(false)
    }
  }
  return { start, busy }
}
