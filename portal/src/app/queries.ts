import { QueryCache, QueryClient } from '@tanstack/react-query'
import { ApiError } from '~/api/client'
import { me } from '~/api/session'

/** Asks again where that may help: not where the server has understood and refused. */
function again(failures: number, error: Error): boolean {
  const status = error instanceof ApiError ? error.status : 0
  return failures < 2 && (status === 0 || status === 429 || status >= 500)
}

/** What was read from the server, and when it is read again. */
export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // A session that is over is noticed by whatever is asked first.
    onError(error) {
      if (error instanceof ApiError && error.status === 401 && queries.getQueryData(me.queryKey)) {
        void queries.invalidateQueries({ queryKey: me.queryKey })
      }
    },
  }),
  defaultOptions: { queries: { staleTime: 10_000, retry: again, refetchOnWindowFocus: false } },
})
