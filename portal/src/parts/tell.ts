import i18next from 'i18next'
import { ApiError } from '~/api/client'

/** The server's own words for a failure, or why it could not be asked. */
export function words(error: unknown): string {
  if (error instanceof ApiError && error.status === 0) return i18next.t('unreachable')
  return error instanceof Error ? error.message : String(error)
}

/** What is said in a corner. */
export interface Toast {
  id: number
  message: string
  failed: boolean // it stays until it is closed
}

let said: Toast[] = []
let last = 0
const listeners = new Set<() => void>()

/** What is being said, for Toasts. */
export const toasts = {
  all: () => said,
  subscribe(listener: () => void) {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  },
  close: (id: number) => change(said.filter((toast) => toast.id !== id)),
}

function change(next: Toast[]): void {
  said = next
  for (const listener of listeners) listener()
}

/** Says that something was done. */
export function tellDone(message: string): void {
  const id = ++last
  change([...said, { id, message, failed: false }])
  setTimeout(() => toasts.close(id), 5000)
}

/** Says what went wrong. */
export function tellFailure(error: unknown): void {
  change([...said, { id: ++last, message: words(error), failed: true }])
}
