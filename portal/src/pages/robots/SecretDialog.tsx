import { Alert, Button, Group, Modal, Stack } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { CopyCommand } from '~/parts/CopyCommand'
import { registryHost } from '~/parts/host'

/** A secret that was drawn just now. */
export interface Told {
  name: string
  secret: string
}

/** Shows a secret, this once. It goes by its button alone, lest it be lost by a slip. */
export default function SecretDialog({ told, onClose }: { told: Told; onClose: () => void }) {
  const { t } = useTranslation('robots')
  const host = registryHost(useSystemInfo().registry_url)
  return (
    <Modal opened onClose={() => undefined} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} title={t('secret.title', { name: told.name })}>
      <Stack gap="sm">
        <Alert color="orange" icon={<IconAlertTriangle size={20} />}>{t('secret.once')}</Alert>
        <CopyCommand label={t('secret.name')} command={told.name} />
        <CopyCommand label={t('secret.secret')} command={told.secret} />
        <CopyCommand label={t('secret.login')} command={`docker login ${host} -u '${told.name}' --password-stdin`} />
        <Group justify="flex-end"><Button data-autofocus onClick={onClose}>{t('secret.kept')}</Button></Group>
      </Stack>
    </Modal>
  )
}
