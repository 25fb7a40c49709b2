import { NativeSelect, Stack, Text, useMantineColorScheme } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { choose, type Language, languages } from '~/app/i18n'
import { keepSize, keptSize, sizes } from '~/parts/useList'

const schemes = ['light', 'dark', 'auto'] as const

/** What this browser keeps: how pages look, and in which language. */
export function Preferences() {
  const { t, i18n } = useTranslation('profile')
  const { t: tc } = useTranslation()
  const { t: tp } = useTranslation('parts')
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const [size, setSize] = useState(keptSize)
  return (
    <Stack gap="md">
      <NativeSelect label={tc('language')} value={i18n.language} data={Object.entries(languages).map(([value, label]) => ({ value, label }))} onChange={(e) => void choose(e.currentTarget.value as Language)} />
      <NativeSelect
        label={tc('appearance.label')} value={colorScheme} data={schemes.map((value) => ({ value, label: tc(`appearance.${value}`) }))}
        onChange={(e) => setColorScheme(schemes.find((s) => s === e.currentTarget.value) ?? 'auto')}
      />
      <NativeSelect
        label={t('preferences.size')} value={size} data={sizes.map((n) => ({ value: String(n), label: tp('pager.each', { count: n }) }))}
        onChange={(e) => {
          keepSize(Number(e.currentTarget.value))
          setSize(keptSize())
        }}
      />
      <Text size="sm" c="dimmed">{t('preferences.kept')}</Text>
    </Stack>
  )
}
