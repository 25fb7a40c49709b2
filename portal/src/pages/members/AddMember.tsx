import { Autocomplete, Radio, SegmentedControl, Stack } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { projectsKey } from '~/pages/projects/queries'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { newMember } from './newMember'
import { addMember, membersKey, peopleNamed } from './queries'
import { roles } from './roles'

/** The dialog that makes a user or a group a member. */
export default function AddMember({ project, onClose }: { project: string; onClose: () => void }) {
  const { t } = useTranslation('members')
  const [kind, setKind] = useState<'user' | 'group'>('user')
  const [name, setName] = useState('')
  const [role, setRole] = useState('2')
  const [sought] = useDebouncedValue(name, 200)
  const { data: found = [] } = useQuery(peopleNamed(kind, sought))
  const queries = useQueryClient()
  const directory = useSystemInfo().auth_mode === 'ldap_auth'
  const add = async () => {
    await addMember(project, newMember(kind, name, Number(role), found))
    await Promise.all([membersKey, projectsKey].map((queryKey) => queries.invalidateQueries({ queryKey })))
    tellDone(t('add.done', { name: name.trim() }))
  }
  return (
    <FormModal title={t('add.title')} onClose={onClose} verb={t('add.verb')} disabled={name.trim() === ''} onSubmit={add}>
      <SegmentedControl
        aria-label={t('kind.label')} value={kind} data={[{ value: 'user', label: t('kind.user') }, { value: 'group', label: t('kind.group') }]}
        onChange={(value) => {
          setKind(value === 'group' ? 'group' : 'user')
          setName('')
        }}
      />
      <Autocomplete
        data-autofocus label={t(kind === 'user' ? 'add.user' : 'add.group')} description={t(kind === 'user' ? 'add.userHint' : directory ? 'add.groupDN' : 'add.groupHint')}
        autoComplete="off" spellCheck={false} value={name} onChange={setName} data={found.map((f) => f.name)} filter={({ options }) => options} comboboxProps={{ transitionProps: { duration: 0 } }}
      />
      <Radio.Group label={t('role.label')} value={role} onChange={setRole}>
        <Stack gap={10} mt={6}>
          {roles.map((r) => <Radio key={r.id} value={String(r.id)} label={t(`role.${r.name}`)} description={t(`may.${r.name}`)} />)}
        </Stack>
      </Radio.Group>
    </FormModal>
  )
}
