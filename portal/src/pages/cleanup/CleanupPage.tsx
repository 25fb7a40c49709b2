import { IconFileText, IconRecycle } from '@tabler/icons-react'
import { Outlet } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { PageHeader } from '~/parts/PageHeader'
import { PageTabs } from '~/parts/PageTabs'

export default function CleanupPage() {
  const { t } = useTranslation('cleanup')
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} />
      <PageTabs label={t('title')} tabs={[{ to: '/clean-up', label: t('tabs.garbage'), icon: IconRecycle, exact: true }, { to: '/clean-up/log-rotation', label: t('tabs.rotation'), icon: IconFileText }]} />
      <Outlet />
    </>
  )
}
