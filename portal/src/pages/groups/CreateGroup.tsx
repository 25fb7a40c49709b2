import { Radio, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useSystemInfo } from '~/api/session'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { createGroup, groupsKey } from './queries'

/** The dialog that creates a group whose members another server tells when they sign in. */
export default function CreateGroup({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('groups')
  const queries = useQueryClient()
  const form = useForm({
    initialValues: { name: '', kind: useSystemInfo().auth_mode === 'http_auth' ? '2' : '3' },
    validateInputOnBlur: true,
    validate: { name: (name) => (name.trim() ? null : t('nameRule')) },
  })
  const create = async () => {
    const group_name = form.values.name.trim()
    await createGroup({ group_name, group_type: Number(form.values.kind) })
    await queries.invalidateQueries({ queryKey: groupsKey })
    tellDone(t('create.done', { name: group_name }))
  }
  return (
    <FormModal title={t('create.open')} onClose={onClose} verb={t('create.verb')} disabled={!form.isValid()} onSubmit={create}>
      <TextInput data-autofocus label={t('name')} description={t('create.nameHint')} maxLength={255} autoComplete="off" {...form.getInputProps('name')} />
      <Radio.Group label={t('kind.label')} {...form.getInputProps('kind')}>
        <Stack gap={8} mt={6}>
          <Radio value="3" label={t('kind.oidc')} description={t('create.oidc')} />
          <Radio value="2" label={t('kind.http')} description={t('create.http')} />
        </Stack>
      </Radio.Group>
    </FormModal>
  )
}
