import { useTranslation } from 'react-i18next'
import { Labels } from '~/pages/labels/Labels'
import { PageHeader } from '~/parts/PageHeader'

/** The labels that artifacts of all projects can be given. */
export default function SystemLabelsPage() {
  const { t } = useTranslation('system')
  return (
    <>
      <PageHeader title={t('labels.title')} description={t('labels.pageDescription')} />
      <Labels scope={{ scope: 'g' }} may={{ create: true, update: true, delete: true }} />
    </>
  )
}
