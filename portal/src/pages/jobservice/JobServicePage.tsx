import { IconCalendarTime, IconCpu, IconStack } from '@tabler/icons-react'
import { Outlet } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { PageHeader } from '~/parts/PageHeader'
import { PageTabs } from '~/parts/PageTabs'

export default function JobServicePage() {
  const { t } = useTranslation('jobservice')
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} />
      <PageTabs
        label={t('title')}
        tabs={[
          { to: '/job-service', label: t('tabs.queues'), icon: IconStack, exact: true },
          { to: '/job-service/schedules', label: t('tabs.schedules'), icon: IconCalendarTime },
          { to: '/job-service/workers', label: t('tabs.workers'), icon: IconCpu },
        ]}
      />
      <Outlet />
    </>
  )
}
