import type { Page } from '~/api/client'

/** A list that the API sends whole, as a page of one. Without a number of pages there is nothing to turn. */
export function whole<T>(items: T[]): Page<T> {
  return { items, total: 0 }
}
