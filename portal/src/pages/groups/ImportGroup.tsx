import { Loader, Radio, Stack, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ErrorState } from '~/parts/ErrorState'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { createGroup, directoryGroups, groupsKey, ldap } from './queries'

/** The dialog that takes in a group of the LDAP directory, by its name there or its DN. */
export default function ImportGroup({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('groups')
  const queries = useQueryClient()
  const [text, setText] = useState('')
  const [asked] = useDebouncedValue(text.trim(), 300)
  const [dn, setDN] = useState('')
  const [name, setName] = useState('')
  const query = useQuery(directoryGroups(asked))
  const take = async () => {
    await createGroup({ group_type: ldap, ldap_group_dn: dn.trim(), group_name: name.trim() })
    await queries.invalidateQueries({ queryKey: groupsKey })
    tellDone(t('import.done', { name: name.trim() || dn.trim() }))
  }
  const choose = (value: string) => {
    setDN(value)
    setName(query.data?.find((g) => g.ldap_group_dn === value)?.group_name ?? '')
  }
  return (
    <FormModal title={t('import.open')} onClose={onClose} verb={t('import.verb')} disabled={!dn.trim()} onSubmit={take}>
      <TextInput data-autofocus type="search" label={t('import.search')} autoComplete="off" spellCheck={false} rightSection={query.isFetching ? <Loader size={14} /> : null} value={text} onChange={(e) => setText(e.currentTarget.value)} />
      {query.isError && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && (
        <Radio.Group label={t('import.found')} value={dn} onChange={choose}>
          <Stack gap={8} mt={6} mah={220} style={{ overflowY: 'auto' }} tabIndex={0}>
            {query.data.map((g) => <Radio key={g.ldap_group_dn} value={g.ldap_group_dn} label={g.group_name} description={g.ldap_group_dn} />)}
            {query.data.length === 0 && <Text size="sm" c="dimmed" role="status">{t('import.nothing')}</Text>}
          </Stack>
        </Radio.Group>
      )}
      <TextInput label={t('dn')} description={t('import.dnHint')} autoComplete="off" spellCheck={false} value={dn} onChange={(e) => setDN(e.currentTarget.value)} />
      <TextInput label={t('name')} description={t('import.nameHint')} autoComplete="off" value={name} onChange={(e) => setName(e.currentTarget.value)} />
    </FormModal>
  )
}
