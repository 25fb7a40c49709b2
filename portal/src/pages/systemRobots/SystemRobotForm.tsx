import { NumberInput, Radio, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { endOf } from '~/pages/robots/ends'
import { grantable, type Robot, robotsKey, updateRobot } from '~/pages/robots/queries'
import type { Told } from '~/pages/robots/SecretDialog'
import { ErrorState } from '~/parts/ErrorState'
import { FormModal } from '~/parts/FormModal'
import { moment } from '~/parts/numbers'
import { tellDone } from '~/parts/tell'
import { GrantsEditor } from './GrantsEditor'
import { grantsOf, permissionsOf, whole } from './grants'
import { createSystemRobot } from './queries'

interface Props {
  robot?: Robot // undefined: a new one
  onClose: () => void
  onCreated: (told: Told) => void
}

const nameRule = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

/** The dialog that creates a robot account of the system, or changes one. */
export default function SystemRobotForm({ robot, onClose, onCreated }: Props) {
  const { t, i18n } = useTranslation('robots')
  const { t: ts } = useTranslation('system')
  const queries = useQueryClient()
  const catalogue = useQuery(grantable)
  const [grants, setGrants] = useState(() => grantsOf(robot?.permissions ?? []))
  const days = robot?.duration ?? 30
  const form = useForm({
    initialValues: { name: robot?.name ?? '', description: robot?.description ?? '', ends: days > 0 ? 'days' : 'never', days: days > 0 ? days : 30 },
    validateInputOnBlur: true,
    validate: {
      name: (name) => (robot || nameRule.test(name) ? null : t('form.nameRule')),
      days: (n, { ends }) => (ends === 'never' || (Number.isInteger(n) && n > 0) ? null : t('form.daysRule')),
    },
  })
  const all = { system: catalogue.data?.system ?? [], project: catalogue.data?.project ?? [] }
  const save = async () => {
    const { name, description, ends } = form.values
    const fields = { description, duration: ends === 'never' ? -1 : form.values.days, permissions: permissionsOf(grants, all) }
    if (robot) {
      await updateRobot(robot, fields)
      tellDone(t('edit.done', { name }))
    } else {
      onCreated(await createSystemRobot({ name, ...fields }))
    }
    await queries.invalidateQueries({ queryKey: robotsKey })
  }
  const end = form.values.ends === 'days' ? endOf(moment(robot?.creation_time) ?? new Date(), form.values.days) : undefined
  return (
    <FormModal size={860} title={robot ? t('edit.title', { name: robot.name }) : t('create.title')} onClose={onClose} verb={t(robot ? 'edit.verb' : 'create.verb')}
      disabled={!form.isValid() || !whole(grants) || !catalogue.data} onSubmit={save}>
      {!robot && <TextInput data-autofocus label={t('name')} description={ts('robots.nameHint')} autoComplete="off" spellCheck={false} {...form.getInputProps('name')} />}
      <TextInput label={t('form.description')} autoComplete="off" {...form.getInputProps('description')} />
      <Radio.Group label={t('form.ends')} {...form.getInputProps('ends')}>
        <Stack gap={8} mt={6}>
          <Radio value="days" label={t('form.days')} />
          {form.values.ends === 'days' && (
            <NumberInput ml={30} w={220} min={1} max={2147483646} allowDecimal={false} label={t(robot ? 'form.daysSince' : 'form.daysCount')}
              description={end && t('form.endsAt', { at: end.toLocaleDateString(i18n.language, { dateStyle: 'long' }) })} {...form.getInputProps('days')} />
          )}
          <Radio value="never" label={t('form.never')} description={t('form.neverHint')} />
        </Stack>
      </Radio.Group>
      {catalogue.isError ? <ErrorState error={catalogue.error} onRetry={() => void catalogue.refetch()} /> : <GrantsEditor grants={grants} onChange={setGrants} catalogue={all} />}
    </FormModal>
  )
}
