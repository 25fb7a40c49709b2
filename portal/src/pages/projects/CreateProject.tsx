import { Radio, Stack, Switch, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { isAdmin, useMe } from '~/api/session'
import { isLimit } from '~/pages/projectConfig/settings'
import { field } from '~/parts/field'
import { FormModal } from '~/parts/FormModal'
import { parseBytes } from '~/parts/numbers'
import { validName } from './name'
import { asSent, type NewProject } from './newProject'
import { createProject, projectsKey } from './queries'

const CacheOf = lazy(() => import('./CacheOf'))

/** The dialog that creates a project, and goes there. */
export default function CreateProject({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('projects')
  const user = useMe()
  const admin = isAdmin(user)
  const queries = useQueryClient()
  const navigate = useNavigate()
  const form = useForm<NewProject>({
    initialValues: { name: '', visibility: 'private', limit: '', cache: false, registry: '', speed: '' },
    validate: {
      name: (name) => (validName(name) ? null : t('create.nameRule')),
      limit: (limit) => (limit === '' || parseBytes(limit) > 0 ? null : t('create.limitRule')),
      registry: (id, { cache }) => (!cache || id ? null : t('create.registryRule')),
      speed: (speed, { cache }) => (!cache || isLimit(speed) ? null : t('create.speedRule')),
    },
  })
  const create = async () => {
    const { name } = form.values
    await createProject(asSent(form.values))
    await queries.invalidateQueries({ queryKey: projectsKey })
    await navigate({ to: '/projects/$project', params: { project: name } })
  }
  return (
    <FormModal title={t('create.title')} onClose={onClose} verb={t('create.verb')} disabled={!form.isValid()} onSubmit={create}>
      <TextInput data-autofocus label={t('name')} description={t('create.nameHint')} autoComplete="off" spellCheck={false} {...field(form, 'name')} />
      <Radio.Group label={t('create.visibility')} {...form.getInputProps('visibility')}>
        <Stack gap={8} mt={6}>
          <Radio value="private" label={t('visibility.private')} description={t('create.private')} />
          <Radio value="public" label={t('visibility.public')} description={t('create.public')} />
        </Stack>
      </Radio.Group>
      {admin && <TextInput label={t('create.limit')} description={t('create.limitHint')} placeholder="20 GiB" {...field(form, 'limit')} />}
      {admin && <Switch label={t('create.cache')} description={t('create.cacheHint')} {...form.getInputProps('cache', { type: 'checkbox' })} />}
      <Suspense>{admin && form.values.cache && <CacheOf form={form} />}</Suspense>
    </FormModal>
  )
}
