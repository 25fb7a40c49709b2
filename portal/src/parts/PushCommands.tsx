import { Stack } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { useMe, useSystemInfo } from '~/api/session'
import { CopyCommand } from './CopyCommand'
import { registryHost } from './host'

/** The three commands that bring a first image into a project. */
export function PushCommands({ project }: { project: string }) {
  const { t } = useTranslation('parts')
  const host = registryHost(useSystemInfo().registry_url)
  const user = useMe()
  const image = `${host}/${project}/alpine:latest`
  return (
    <Stack gap="sm" ta="left">
      <CopyCommand label={t('push.login')} command={`docker login ${host}${user ? ` -u ${user.username}` : ''}`} />
      <CopyCommand label={t('push.tag')} command={`docker tag alpine:latest ${image}`} />
      <CopyCommand label={t('push.push')} command={`docker push ${image}`} />
    </Stack>
  )
}
