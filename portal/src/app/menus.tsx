import { ActionIcon, Avatar, Menu, UnstyledButton, useMantineColorScheme } from '@mantine/core'
import { IconCheck, IconDeviceDesktop, IconInfoCircle, IconLanguage, IconLogout, IconMoon, IconSun, IconUserCircle } from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { type User, useDoor } from '~/api/session'
import { tellFailure } from '~/parts/tell'
import { choose, type Language, languages } from './i18n'

export function LanguageMenu() {
  const { t, i18n } = useTranslation()
  return (
    <Menu>
      <Menu.Target><ActionIcon aria-label={t('language')}><IconLanguage size={19} stroke={1.7} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {Object.entries(languages).map(([code, name]) => (
          <Menu.Item key={code} lang={code} rightSection={mark(i18n.language === code)} onClick={() => void choose(code as Language)}>{name}</Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

const appearances = [
  { name: 'light', icon: IconSun },
  { name: 'dark', icon: IconMoon },
  { name: 'auto', icon: IconDeviceDesktop },
] as const

export function AppearanceMenu() {
  const { t } = useTranslation()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  return (
    <Menu>
      <Menu.Target><ActionIcon aria-label={t('appearance.label')}>{colorScheme === 'dark' ? <IconMoon size={19} stroke={1.7} /> : <IconSun size={19} stroke={1.7} />}</ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {appearances.map(({ name, icon: Icon }) => (
          <Menu.Item key={name} leftSection={<Icon size={16} />} rightSection={mark(colorScheme === name)} onClick={() => setColorScheme(name)}>{t(`appearance.${name}`)}</Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

const mark = (chosen: boolean) => (chosen ? <IconCheck size={15} aria-hidden /> : undefined)

export function ProfileMenu({ user }: { user: User }) {
  const { t } = useTranslation()
  const { signOut } = useDoor()
  const navigate = useNavigate()
  const leave = async () => {
    try {
      await signOut()
      await navigate({ to: '/signin' })
    } catch (error) {
      tellFailure(error)
    }
  }
  return (
    <Menu width={220}>
      <Menu.Target>
        <UnstyledButton ml={6} aria-label={t('profile', { name: user.username })}><Avatar size={30} radius="xl" color="tide" name={user.realname || user.username} /></UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label fz="sm">{t('signedInAs', { name: user.username })}</Menu.Label>
        <Menu.Item component={Link} to="/profile" leftSection={<IconUserCircle size={16} />}>{t('ownProfile')}</Menu.Item>
        <Menu.Item component={Link} to="/about" leftSection={<IconInfoCircle size={16} />}>{t('about')}</Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave()}>{t('signOut')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
