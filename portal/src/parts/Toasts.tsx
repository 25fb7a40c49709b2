import { Notification } from '@mantine/core'
import { useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { toasts } from './tell'
import classes from './Toasts.module.css'

/** The corner in which tellDone and tellFailure say what they have to. */
export function Toasts() {
  const { t } = useTranslation()
  const said = useSyncExternalStore(toasts.subscribe, toasts.all)
  return (
    <div className={classes.corner} role="region" aria-label={t('toasts')} aria-live="polite">
      {said.map(({ id, message, failed }) => (
        <Notification key={id} withBorder color={failed ? 'red' : 'teal'} title={failed ? t('failed') : undefined} role={failed ? 'alert' : 'status'}
          onClose={() => toasts.close(id)} closeButtonProps={{ 'aria-label': t('close') }}>
          {message}
        </Notification>
      ))}
    </div>
  )
}
