import { IconListCheck, IconNews, IconRadar2, IconShieldSearch } from '@tabler/icons-react'
import { Outlet } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { PageHeader } from '~/parts/PageHeader'
import { PageTabs } from '~/parts/PageTabs'

export default function InterrogationPage() {
  const { t } = useTranslation('interrogation')
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} />
      <PageTabs
        label={t('title')}
        tabs={[
          { to: '/interrogation', label: t('tabs.scanners'), icon: IconRadar2, exact: true },
          { to: '/interrogation/scan-all', label: t('tabs.scanAll'), icon: IconShieldSearch },
          { to: '/interrogation/advisories', label: t('tabs.advisories'), icon: IconNews },
          { to: '/interrogation/allowlist', label: t('tabs.allowlist'), icon: IconListCheck },
        ]}
      />
      <Outlet />
    </>
  )
}
