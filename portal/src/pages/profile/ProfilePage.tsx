import { Badge, SimpleGrid, Stack } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { isAdmin, useMe, useSystemInfo } from '~/api/session'
import { Facts } from '~/parts/Facts'
import { PageHeader } from '~/parts/PageHeader'
import { Panel } from '~/parts/Panel'
import { TimeAgo } from '~/parts/TimeAgo'
import { ChangePassword } from './ChangePassword'
import { EditProfile } from './EditProfile'
import { Preferences } from './Preferences'

export default function ProfilePage() {
  const { t } = useTranslation('profile')
  const user = useMe()
  const mode = useSystemInfo().auth_mode
  if (!user) return null
  const admin = isAdmin(user)
  return (
    <>
      <PageHeader title={t('title')} mark={admin && <Badge color="tide">{t('admin')}</Badge>} description={t('pageDescription')} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Stack gap="md">
          <Panel title={t('about')}><Stack gap="md"><Facts facts={[[t('name'), user.username], [t('created'), <TimeAgo key="created" value={user.creation_time} />]]} /><EditProfile user={user} /></Stack></Panel>
        </Stack>
        <Stack gap="md">
          <Panel title={t('preferences.title')}><Preferences /></Panel>
          {(mode === 'db_auth' || user.user_id === 1) && <Panel title={t('password.title')}><ChangePassword user={user} /></Panel>}
        </Stack>
      </SimpleGrid>
    </>
  )
}
