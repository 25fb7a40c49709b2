import { Alert, Button, Stack } from '@mantine/core'
import { IconPlugConnected } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { words } from '~/parts/tell'
import { directory, groups, signIn } from './fields'
import { pingLdap } from './queries'
import { SettingsGroup } from './SettingsGroup'
import { type Form, useForm } from './useForm'

/** How people sign in: by this registry's own list, or by a directory. */
export default function AuthenticationTab() {
  const { t } = useTranslation('settings')
  const [mode, ldap, members] = [useForm(), useForm(), useForm()]
  const byDirectory = mode.value('auth_mode') === 'ldap_auth'
  return (
    <Stack gap="md">
      <SettingsGroup title={t('group.signIn')} fields={signIn.filter((f) => f.key !== 'self_registration' || !byDirectory)} form={mode} />
      <SettingsGroup title={t('group.directory')} about={t('about.directory')} fields={directory} form={ldap} actions={<Test form={ldap} />} />
      <SettingsGroup title={t('group.groups')} about={t('about.groups')} fields={groups} form={members} />
    </Stack>
  )
}

/** Tries the directory with what is filled in, saved or not. */
function Test({ form }: { form: Form }) {
  const { t } = useTranslation('settings')
  const [busy, setBusy] = useState(false)
  const [said, setSaid] = useState<{ good: boolean; text: string }>()
  const text = (key: Parameters<Form['value']>[0]) => String(form.value(key) ?? '')
  const test = async () => {
    setBusy(true)
    setSaid(undefined)
    try {
      const answer = await pingLdap({
        ldap_url: text('ldap_url'), ldap_base_dn: text('ldap_base_dn'), ldap_filter: text('ldap_filter'), ldap_uid: text('ldap_uid'),
        ldap_search_dn: text('ldap_search_dn'), ldap_search_password: text('ldap_search_password'),
        ldap_scope: Number(form.value('ldap_scope') ?? 2), ldap_connection_timeout: Number(form.value('ldap_timeout') ?? 5), ldap_verify_cert: form.value('ldap_verify_cert') === true,
      })
      setSaid({ good: answer.success, text: answer.success ? t('test.good') : answer.message })
    } catch (failure) {
      setSaid({ good: false, text: words(failure) })
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <Button variant="default" leftSection={<IconPlugConnected size={16} />} loading={busy} onClick={() => void test()}>{t('test.open')}</Button>
      {said && <Alert w="100%" role={said.good ? 'status' : 'alert'} color={said.good ? 'green' : 'red'}>{said.text}</Alert>}
    </>
  )
}
