import { Alert, Button, Checkbox, Group, NativeSelect, PasswordInput, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { IconPlugConnected } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { FormModal } from '~/parts/FormModal'
import { tellDone, words } from '~/parts/tell'
import { pingScanner, saveScanner, type Scanner, scannersKey } from './queries'

const ways = ['', 'Basic', 'Bearer', 'X-ScannerAdapter-API-Key'] as const

/** The dialog that adds or changes a scanner. */
export default function ScannerDialog({ scanner, onClose }: { scanner: Scanner | undefined; onClose: () => void }) {
  const { t } = useTranslation('interrogation')
  const queries = useQueryClient()
  const [tried, setTried] = useState<{ good: boolean; text: string }>()
  const [busy, setBusy] = useState(false)
  const form = useForm({
    initialValues: {
      name: scanner?.name ?? '', description: scanner?.description ?? '', url: scanner?.url ?? '', auth: scanner?.auth ?? '', access_credential: '',
      skip_certVerify: scanner?.skip_certVerify ?? false, use_internal_addr: scanner?.use_internal_addr ?? false,
    },
    validateInputOnBlur: true,
    validate: {
      name: (name) => (name.trim() && name.length <= 64 ? null : t('form.nameRule')),
      url: (url) => (/^https?:\/\/[^\s/]+/i.test(url) ? null : t('form.urlRule')),
    },
  })
  const { name, url, auth, access_credential, skip_certVerify } = form.values
  const save = async () => {
    await saveScanner(scanner?.uuid, form.values)
    await queries.invalidateQueries({ queryKey: scannersKey })
    tellDone(t('scanner.saved'))
  }
  const test = async () => {
    setBusy(true)
    setTried(undefined)
    try {
      await pingScanner({ name, url, auth, access_credential, skip_certVerify })
      setTried({ good: true, text: t('form.answers') })
    } catch (failure) {
      setTried({ good: false, text: words(failure) })
    } finally {
      setBusy(false)
    }
  }
  return (
    <FormModal title={scanner ? t('form.edit', { name: scanner.name }) : t('scanner.new')} verb={t(scanner ? 'form.save' : 'form.add')} disabled={!form.isValid()} onSubmit={save} onClose={onClose}>
      <TextInput data-autofocus label={t('scanner.name')} autoComplete="off" {...form.getInputProps('name')} />
      <TextInput label={t('form.description')} autoComplete="off" {...form.getInputProps('description')} />
      <TextInput label={t('scanner.url')} description={t('form.urlHint')} placeholder="https://scanner.example.org" autoComplete="off" spellCheck={false} {...form.getInputProps('url')} />
      <NativeSelect label={t('form.auth')} data={ways.map((way) => ({ value: way, label: way || t('form.noAuth') }))} {...form.getInputProps('auth')} />
      {form.values.auth && <PasswordInput label={t('form.credential')} description={t(form.values.auth === 'Basic' ? 'form.basicHint' : scanner ? 'form.keepHint' : 'form.credentialHint')} autoComplete="new-password" {...form.getInputProps('access_credential')} />}
      <Checkbox label={t('form.skip')} description={t('form.skipHint')} {...form.getInputProps('skip_certVerify', { type: 'checkbox' })} />
      <Checkbox label={t('form.internal')} description={t('form.internalHint')} {...form.getInputProps('use_internal_addr', { type: 'checkbox' })} />
      <Group><Button variant="default" size="xs" leftSection={<IconPlugConnected size={15} />} loading={busy} disabled={!form.isValid()} onClick={() => void test()}>{t('form.test')}</Button></Group>
      {tried && <Alert role={tried.good ? 'status' : 'alert'} color={tried.good ? 'green' : 'red'}>{tried.text}</Alert>}
    </FormModal>
  )
}
