import { useQueryClient } from '@tanstack/react-query'
import { projectsKey } from '~/pages/projects/queries'
import { type Kept, retentionKey, savePolicy } from './queries'

/** A project's policy, as far as there is one. */
export interface Where {
  projectId: number
  id?: number
  kept: Kept
}

/** Returns what saves a policy with a change, and shows it. */
export function useSave({ projectId, id, kept }: Where) {
  const queries = useQueryClient()
  return async (change: Partial<Kept>) => {
    await savePolicy(projectId, id, { ...kept, ...change })
    // A project knows its policy's id, so it is another one as well.
    await Promise.all([retentionKey, projectsKey].map((queryKey) => queries.invalidateQueries({ queryKey })))
  }
}
