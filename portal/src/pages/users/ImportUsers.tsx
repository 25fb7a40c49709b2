import { Alert, Checkbox, List, Loader, Stack, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Schemas } from '~/api/client'
import { ErrorState } from '~/parts/ErrorState'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { directoryUsers, importUsers, usersKey } from './queries'

/** The dialog that makes accounts for users of the LDAP directory. */
export default function ImportUsers({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('users')
  const queries = useQueryClient()
  const [text, setText] = useState('')
  const [asked] = useDebouncedValue(text.trim(), 300)
  const [chosen, setChosen] = useState<string[]>([])
  const [refused, setRefused] = useState<Schemas['LdapFailedImport'][]>([])
  const query = useQuery(directoryUsers(asked))
  const submit = async () => {
    const failed = await importUsers(chosen)
    await queries.invalidateQueries({ queryKey: usersKey })
    setRefused(failed)
    setChosen([])
    if (failed.length > 0) throw new Error(t('import.some', { count: failed.length }))
    tellDone(t('import.done', { count: chosen.length }))
  }
  return (
    <FormModal title={t('import.open')} onClose={onClose} verb={t('import.verb', { count: chosen.length })} disabled={chosen.length === 0} onSubmit={submit}>
      <TextInput data-autofocus type="search" label={t('import.search')} autoComplete="off" spellCheck={false} rightSection={query.isFetching ? <Loader size={14} /> : null} value={text} onChange={(e) => setText(e.currentTarget.value)} />
      {query.isError ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : (
        <Checkbox.Group label={t('import.found')} value={chosen} onChange={setChosen}>
          <Stack gap={8} mt={6} mah={280} style={{ overflowY: 'auto' }} tabIndex={0}>
            {query.data?.map((u) => <Checkbox key={u.username} value={u.username} label={u.username} description={[u.realname, u.email].filter(Boolean).join(' · ')} />)}
            {query.data?.length === 0 && <Text size="sm" c="dimmed" role="status">{t('import.nobody')}</Text>}
          </Stack>
        </Checkbox.Group>
      )}
      {refused.length > 0 && (
        <Alert color="orange" title={t('import.refused')}>
          <List size="sm">{refused.map((r) => <List.Item key={r.uid}><b>{r.uid}</b>: {r.error}</List.Item>)}</List>
        </Alert>
      )}
    </FormModal>
  )
}
