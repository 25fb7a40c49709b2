import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { ButtonLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { useList } from '~/parts/useList'
import { AuditTable } from './AuditTable'
import { auditList, system } from './queries'

export default function AuditPage() {
  const { t } = useTranslation('audit')
  const list = useList('-op_time')
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} actions={<ButtonLink variant="default" to="/clean-up/log-rotation">{t('rotation')}</ButtonLink>} />
      <AuditTable list={list} query={useQuery(auditList(list))} kinds={system} />
    </>
  )
}
