import { Modal } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { type LogProps, LogView } from './LogView'

/** A log in a dialog, for lists of what has run. It is there for as long as it is open. */
export default function LogDialog({ onClose, ...log }: LogProps & { onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Modal opened onClose={onClose} title={log.label} size="xl" closeButtonProps={{ 'aria-label': t('close') }}>
      <LogView {...log} />
    </Modal>
  )
}
