import { notifications } from '@mantine/notifications'
import i18next from 'i18next'
import { ApiError } from '~/api/client'

/** The server's own words for a failure, or why it could not be asked. */
export function words(error: unknown): string {
  if (error instanceof ApiError && error.status === 0) return i18next.t('unreachable')
  return error instanceof Error ? error.message : String(error)
}

/** Says in a corner that something was done. */
export function tellDone(message: string): void {
  notifications.show({ message, color: 'teal', autoClose: 4000, withBorder: true, closeButtonProps: { 'aria-label': i18next.t('close') } })
}

/** Says in a corner what went wrong; it stays until it is closed. */
export function tellFailure(error: unknown): void {
  notifications.show({
    message: words(error), title: i18next.t('failed'), color: 'red', autoClose: false, withBorder: true, role: 'alert',
    closeButtonProps: { 'aria-label': i18next.t('close') },
  })
}
