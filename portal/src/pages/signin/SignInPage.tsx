import { Alert, Anchor, Button, Divider, Group, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { useDisclosure, useDocumentTitle } from '@mantine/hooks'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, lazy, Suspense, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '~/api/client'
import { useDoor, useSystemInfo } from '~/api/session'
import { Brand } from '~/app/Brand'
import { AppearanceMenu, LanguageMenu } from '~/app/menus'
import { words } from '~/parts/tell'
import { signInRoute } from './route'
import classes from './SignInPage.module.css'

const CreateUser = lazy(() => import('~/pages/users/CreateUser'))

export default function SignInPage() {
  const { t } = useTranslation('signin')
  const info = useSystemInfo()
  useDocumentTitle(`${t('title')} · Berth`)
  const single = info.auth_mode === 'oidc_auth'
  const provider = info.oidc_provider_name || t('provider')
  return (
    <div className={classes.page}>
      <div className={classes.tools}><LanguageMenu /><AppearanceMenu /></div>
      <main className={classes.card}>
        <Group gap="sm" mb={4}><Brand size={38} /><Title order={1}>Berth</Title></Group>
        <Text c="dimmed" mb="lg">{t('intro')}</Text>
        {single && (
          <>
            <Button component="a" href="/c/oidc/login" fullWidth size="md">{t('with', { provider })}</Button>
            <Divider my="lg" label={t('or')} />
          </>
        )}
        <Form second={single} />
        {info.self_registration && info.auth_mode === 'db_auth' && <SignUp />}
        <Text size="sm" mt="lg" ta="center"><Anchor component="a" href="/projects">{t('look')}</Anchor></Text>
      </main>
    </div>
  )
}

/** Creates an account, and signs in with it. */
function SignUp() {
  const { t } = useTranslation('signin')
  const { to } = signInRoute.useSearch()
  const navigate = useNavigate()
  const { signIn } = useDoor()
  const [opened, dialog] = useDisclosure()
  const enter = async (name: string, password: string) => {
    await signIn(name, password)
    await navigate({ href: to ?? '/projects', replace: true })
  }
  return (
    <>
      <Button variant="default" fullWidth size="md" mt="md" onClick={dialog.open}>{t('create')}</Button>
      <Suspense>{opened && <CreateUser onClose={dialog.close} onCreated={enter} />}</Suspense>
    </>
  )
}

/** Name and password; the second way where there is single sign-on. */
function Form({ second }: { second: boolean }) {
  const { t } = useTranslation('signin')
  const { to } = signInRoute.useSearch()
  const navigate = useNavigate()
  const { signIn } = useDoor()
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const password = useRef<HTMLInputElement>(null)

  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setError(undefined)
    try {
      await signIn(String(form.get('principal')), String(form.get('password')))
      await navigate({ href: to ?? '/projects', replace: true })
    } catch (failure) {
      setError(failure instanceof ApiError && failure.status === 401 ? t('wrong') : words(failure))
      password.current?.select()
    } finally {
      setBusy(false)
    }
  }
  return (
    <form onSubmit={(e) => void send(e)}>
      <Stack gap="md">
        <TextInput name="principal" label={t('name')} autoComplete="username" autoCapitalize="none" spellCheck={false} required withAsterisk={false} autoFocus={!second} size="md" />
        <PasswordInput ref={password} name="password" label={t('password')} autoComplete="current-password" required withAsterisk={false} size="md" visibilityToggleButtonProps={{ 'aria-label': t('show') }} />
        {error && <Alert role="alert" color="red">{error}</Alert>}
        <Button type="submit" loading={busy} fullWidth size="md" variant={second ? 'default' : 'filled'}>{t('enter')}</Button>
      </Stack>
    </form>
  )
}
