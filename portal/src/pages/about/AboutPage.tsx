import { Anchor, SimpleGrid, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { Facts } from '~/parts/Facts'
import { registryHost } from '~/parts/host'
import { PageHeader } from '~/parts/PageHeader'
import { Panel } from '~/parts/Panel'
import { versions } from './version'

export default function AboutPage() {
  const { t } = useTranslation('about')
  const info = useSystemInfo()
  const version = versions(info.harbor_version)
  return (
    <>
      <PageHeader title={t('title')} description={t('pageDescription')} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Panel title={t('server')}>
          <Facts
            facts={[
              [t('version'), version?.own],
              [t('api'), version && t('apiValue', { version: version.api })],
              [t('registry'), registryHost(info.registry_url)],
              [t('storage'), info.registry_storage_provider_name],
            ]}
          />
        </Panel>
        <Panel title={t('more')}>
          <Stack gap="sm">
            <Anchor href="/api/v2.0/docs" target="_blank" rel="noreferrer">{t('docs')}</Anchor>
            <Anchor href="/api/v2.0/openapi.json" target="_blank" rel="noreferrer">{t('document')}</Anchor>
            {info.has_ca_root && <Anchor href="/api/v2.0/systeminfo/getcert" download>{t('certificate')}</Anchor>}
            <Text size="sm" c="dimmed">{t('licence')}</Text>
          </Stack>
        </Panel>
      </SimpleGrid>
    </>
  )
}
