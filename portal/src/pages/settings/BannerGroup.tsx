import { Alert, Group, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { banner } from '~/app/banner'
import { type Banner, bannerTypes, readBanner, writeBanner } from './bannerSetting'
import { editable, settings } from './queries'
import { SettingsGroup } from './SettingsGroup'
import { useForm } from './useForm'

/** The message that is above every page. */
export function BannerGroup() {
  const { t } = useTranslation('settings')
  const { data: all } = useSuspenseQuery(settings)
  const form = useForm()
  const written = String(form.value('banner_message') ?? '')
  const said = readBanner(written)
  const set = (change: Partial<Banner>) => form.set('banner_message', writeBanner({ ...said, ...change }))
  const disabled = !editable(all, 'banner_message')
  const shown = said.message ? banner(writeBanner({ ...said, from: '', to: '' }), new Date()) : undefined
  return (
    <SettingsGroup title={t('group.banner')} about={`${t('about.banner')}${disabled ? ` ${t('fixed')}` : ''}`} fields={[]} form={form}>
      <Textarea label={t('banner.message')} autosize minRows={2} maw={640} disabled={disabled} value={said.message} onChange={(e) => set({ message: e.currentTarget.value })} />
      <Group align="end" gap="sm">
        <NativeSelect label={t('banner.type')} disabled={disabled} value={said.type} data={bannerTypes.map((type) => ({ value: type, label: t(`banner.types.${type}`) }))} onChange={(e) => set({ type: bannerTypes.find((type) => type === e.currentTarget.value) ?? 'info' })} />
        <TextInput type="date" label={t('banner.from')} disabled={disabled} value={said.from} onChange={(e) => set({ from: e.currentTarget.value })} />
        <TextInput type="date" label={t('banner.to')} disabled={disabled} value={said.to} min={said.from || undefined} onChange={(e) => set({ to: e.currentTarget.value })} />
      </Group>
      {shown && <Alert color={shown.color} title={t('banner.preview')}>{shown.text}</Alert>}
    </SettingsGroup>
  )
}
