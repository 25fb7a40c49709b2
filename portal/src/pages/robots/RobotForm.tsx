import { Input, NumberInput, Radio, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ErrorState } from '~/parts/ErrorState'
import { field } from '~/parts/field'
import { FormModal } from '~/parts/FormModal'
import { moment } from '~/parts/numbers'
import { tellDone } from '~/parts/tell'
import { endOf } from './ends'
import { granted, keyOf, presets } from './permissions'
import { PermissionMatrix } from './PermissionMatrix'
import { createRobot, grantable, type Robot, robotsKey, updateRobot } from './queries'
import type { Told } from './SecretDialog'

interface Props {
  project: string
  robot?: Robot // undefined: a new one
  onClose: () => void
  onCreated: (told: Told) => void
}

const nameRule = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

/** The dialog that creates a robot account of a project, or changes one. */
export default function RobotForm({ project, robot, onClose, onCreated }: Props) {
  const { t, i18n } = useTranslation('robots')
  const queries = useQueryClient()
  const catalogue = useQuery(grantable)
  const [chosen, setChosen] = useState(new Set<string>(robot ? robot.permissions.flatMap((p) => p.access.map(keyOf)) : presets.pull))
  const days = robot?.duration ?? 30
  const form = useForm({
    initialValues: { name: robot?.name ?? '', description: robot?.description ?? '', ends: days > 0 ? 'days' : 'never', days: days > 0 ? days : 30 },
    validate: {
      name: (name) => (robot || nameRule.test(name) ? null : t('form.nameRule')),
      days: (n, { ends }) => (ends === 'never' || (Number.isInteger(n) && n > 0) ? null : t('form.daysRule')),
    },
  })
  const save = async () => {
    const { name, description, ends } = form.values
    const duration = ends === 'never' ? -1 : form.values.days
    const access = granted(chosen, catalogue.data?.project ?? [])
    if (robot) {
      await updateRobot(robot, { description, duration, permissions: [{ kind: 'project', namespace: project, access }] })
      tellDone(t('edit.done', { name }))
    } else {
      onCreated(await createRobot(project, { name, description, duration, access }))
    }
    await queries.invalidateQueries({ queryKey: robotsKey })
  }
  const end = form.values.ends === 'days' ? endOf(moment(robot?.creation_time) ?? new Date(), form.values.days) : undefined
  return (
    <FormModal size={860} title={robot ? t('edit.title', { name: robot.name }) : t('create.title')} onClose={onClose} verb={t(robot ? 'edit.verb' : 'create.verb')} disabled={!form.isValid() || chosen.size === 0 || !catalogue.data} onSubmit={save}>
      {!robot && <TextInput data-autofocus label={t('name')} description={t('form.nameHint', { project })} autoComplete="off" spellCheck={false} {...field(form, 'name')} />}
      <TextInput label={t('form.description')} autoComplete="off" {...form.getInputProps('description')} />
      <Radio.Group label={t('form.ends')} {...form.getInputProps('ends')}>
        <Stack gap={8} mt={6}>
          <Radio value="days" label={t('form.days')} />
          {form.values.ends === 'days' && (
            <NumberInput ml={30} w={220} min={1} max={2147483646} allowDecimal={false} label={t(robot ? 'form.daysSince' : 'form.daysCount')} description={end && t('form.endsAt', { at: end.toLocaleDateString(i18n.language, { dateStyle: 'long' }) })} {...field(form, 'days')} />
          )}
          <Radio value="never" label={t('form.never')} description={t('form.neverHint')} />
        </Stack>
      </Radio.Group>
      <div>
        <Input.Label component="div">{t('permissions')}</Input.Label>
        <Text size="sm" c="dimmed" mb={6}>{t('form.permissionsHint')}</Text>
        {catalogue.isError ? <ErrorState error={catalogue.error} /> : <PermissionMatrix label={t('permissions')} catalogue={catalogue.data?.project ?? []} chosen={chosen} onChange={setChosen} />}
      </div>
    </FormModal>
  )
}
