import { Alert, Button, Group, List, Modal, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Progress } from './Batch'
import { WorkProgress } from './WorkProgress'

interface Props {
  progress: Progress
  onStop: () => void
  onClose: () => void
}

const shown = 50

/** How far a work is; see Batch.tsx, which fetches this when there is more than one thing to do. */
export default function BatchDialog({ progress, onStop, onClose }: Props) {
  const { t } = useTranslation('parts')
  const { work, over, failed, ended } = progress
  const told = t('batch.over', { over, count: work.items.length })
  return (
    <Modal opened onClose={ended ? onClose : () => undefined} title={work.title} withCloseButton={ended} closeButtonProps={{ 'aria-label': t('batch.close') }}>
      <Stack gap="sm">
        {ended ? <Text role="status">{t('batch.done', { done: over - failed.length, count: work.items.length })}</Text> : <WorkProgress label={told} percent={(over / work.items.length) * 100} onStop={onStop} />}
        {failed.length > 0 && (
          <Alert color="red" role="alert" title={t('batch.failed', { count: failed.length })}>
            <List size="sm" style={{ overflowWrap: 'anywhere' }}>
              {failed.slice(0, shown).map((f) => <List.Item key={f.name}><b>{f.name}</b>: {f.reason}</List.Item>)}
              {failed.length > shown && <List.Item>{t('confirm.more', { count: failed.length - shown })}</List.Item>}
            </List>
          </Alert>
        )}
        {ended && <Group justify="flex-end"><Button data-autofocus onClick={onClose}>{t('batch.close')}</Button></Group>}
      </Stack>
    </Modal>
  )
}
