import { IconFileText, IconLogin2, IconSettings } from '@tabler/icons-react'
import { Outlet } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { PageHeader } from '~/parts/PageHeader'
import { PageTabs } from '~/parts/PageTabs'

export default function SettingsPage() {
  const { t } = useTranslation('settings')
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} />
      <PageTabs
        label={t('title')}
        tabs={[
          { to: '/settings', label: t('tabs.authentication'), icon: IconLogin2, exact: true },
          { to: '/settings/system', label: t('tabs.system'), icon: IconSettings },
          { to: '/settings/audit-log', label: t('tabs.audit'), icon: IconFileText },
        ]}
      />
      <Outlet />
    </>
  )
}
