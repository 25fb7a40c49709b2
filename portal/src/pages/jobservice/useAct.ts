import { useQueryClient } from '@tanstack/react-query'
import { tellDone, tellFailure } from '~/parts/tell'
import { jobServiceKey } from './queries'

/** Does something to the job service, and tells how that went. */
export function useAct() {
  const queries = useQueryClient()
  return async (action: () => Promise<unknown>, said: string) => {
    try {
      await action()
      tellDone(said)
    } catch (error) {
      tellFailure(error)
    }
    await queries.invalidateQueries({ queryKey: jobServiceKey })
  }
}
