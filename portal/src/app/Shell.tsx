import { ActionIcon, Alert } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconMenu2 } from '@tabler/icons-react'
import { Link, Outlet, useLocation, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useMe, useSystemInfo } from '~/api/session'
import { ButtonLink } from '~/parts/links'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { banner } from './banner'
import { Brand } from './Brand'
import { AppearanceMenu, LanguageMenu, ProfileMenu } from './menus'
import { Navigation } from './Navigation'
import { SearchBox } from './SearchBox'
import classes from './Shell.module.css'

const NavigationDrawer = lazy(() => import('./NavigationDrawer'))

/** What stands around every page but the one to sign in. */
export function Shell() {
  const { t } = useTranslation()
  const user = useMe()
  const [opened, drawer] = useDisclosure()
  const path = useLocation({ select: (l) => l.pathname })
  const main = useFocusOfPages(path)
  const [wanted, setWanted] = useState(false)
  const open = () => {
    setWanted(true)
    drawer.open()
  }
  const { close } = drawer
  useEffect(() => close(), [path, close])

  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">{t('skip')}</a>
      <header className={classes.header}>
        <ActionIcon hiddenFrom="md" aria-label={t('menu')} aria-expanded={opened} onClick={open}><IconMenu2 size={20} /></ActionIcon>
        <Link to="/" className={classes.brand}><Brand />Berth</Link>
        <div className={classes.search}><SearchBox /></div>
        <div className={classes.tools}>
          <LanguageMenu />
          <AppearanceMenu />
          {user ? <ProfileMenu user={user} /> : <ButtonLink ml="xs" to="/signin">{t('signIn')}</ButtonLink>}
        </div>
      </header>
      <nav className={classes.nav} aria-label={t('navigation.label')}><Navigation /></nav>
      <Suspense>{wanted && <NavigationDrawer opened={opened} onClose={drawer.close} />}</Suspense>
      <main className={classes.main} id="main" tabIndex={-1} ref={main} style={{ outline: 'none' }}>
        <Notices />
        <div className={classes.page}>
          <Suspense fallback={<PageSkeleton />}><Outlet /></Suspense>
        </div>
      </main>
    </div>
  )
}

/** What administrators have to say to everybody, and whether nothing can be changed. */
function Notices() {
  const { t } = useTranslation()
  const info = useSystemInfo()
  const said = banner(info.banner_message, new Date())
  return (
    <>
      {info.read_only && <Alert className={classes.banner} color="yellow" title={t('readOnly')} />}
      {said && <Alert className={classes.banner} color={said.color}>{said.text}</Alert>}
    </>
  )
}

/** After going to another page, the focus is where its content begins. */
function useFocusOfPages(path: string) {
  const main = useRef<HTMLElement>(null)
  const shown = useRef(path)
  const idle = useRouterState({ select: (s) => s.status === 'idle' })
  useEffect(() => {
    if (!idle || shown.current === path) return
    shown.current = path
    main.current?.focus({ preventScroll: true })
  }, [path, idle])
  return main
}
