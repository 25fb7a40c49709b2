import { Stack } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { BannerGroup } from './BannerGroup'
import { access, pulls, storage } from './fields'
import { SettingsGroup } from './SettingsGroup'
import { useForm } from './useForm'

export default function SystemTab() {
  const { t } = useTranslation('settings')
  return (
    <Stack gap="md">
      <SettingsGroup title={t('group.access')} fields={access} form={useForm()} />
      <BannerGroup />
      <SettingsGroup title={t('group.storage')} fields={storage} form={useForm()} />
      <SettingsGroup title={t('group.pulls')} about={t('about.pulls')} fields={pulls} form={useForm()} />
    </Stack>
  )
}
