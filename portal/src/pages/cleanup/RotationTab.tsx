import { Button, Checkbox, Group, NumberInput, NativeSelect, SimpleGrid, Stack, Text } from '@mantine/core'
import { IconEraser } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { History } from '~/pages/systemjobs/History'
import { purge, scheduleOf, type SystemJob } from '~/pages/systemjobs/queries'
import { Running } from '~/pages/systemjobs/Running'
import { SchedulePanel } from '~/pages/systemjobs/SchedulePanel'
import { told } from '~/pages/systemjobs/told'
import { useStart } from '~/pages/systemjobs/useStart'
import { useConfirm } from '~/parts/Confirm'
import { Panel } from '~/parts/Panel'

const kinds = ['create_artifact', 'delete_artifact', 'pull_artifact', 'other'] as const
const day = 24
const month = 30 * day

/** Old entries of the audit log go: now, at times, and how many went. */
export default function RotationTab() {
  const { t, i18n } = useTranslation('cleanup')
  const { data: scheduled } = useQuery(scheduleOf(purge))
  const before = told(scheduled?.job_parameters)
  const [hours, setHours] = useState<number>()
  const [unit, setUnit] = useState<number>()
  const [chosen, setChosen] = useState<string[]>()
  const keep = hours ?? before.number('audit_retention_hour') ?? month
  const by = unit ?? (keep % day === 0 ? day : 1)
  const types = chosen ?? (scheduled ? before.text('include_event_types').split(',').filter(Boolean) : [...kinds])
  const parameters = { audit_retention_hour: keep, include_event_types: types.join(',') }
  const { start, busy } = useStart(purge)
  const confirm = useConfirm()
  const result = (job: SystemJob) => {
    const gone = told(job.job_parameters).number('purged_audit_logs')
    return gone === undefined ? '–' : t('rotation.entries', { count: gone })
  }
  const words = (n: number) => (n % day === 0 ? t('rotation.days', { count: n / day }) : t('rotation.hours', { count: n }))
  const run = () => confirm({ title: t('rotation.ask'), loses: t('rotation.loses', { age: words(keep) }), verb: t('rotation.run'), action: () => start(parameters) })
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Panel title={t('rotation.title')}>
          <Stack gap="sm">
            <Text c="dimmed">{t('rotation.about')}</Text>
            <Group gap="xs" align="end">
              <NumberInput label={t('rotation.keep')} min={0} max={Math.floor(240_000 / by)} allowDecimal={false} clampBehavior="strict" w={140} value={Math.round(keep / by)} onChange={(n) => setHours((Number(n) || 0) * by)} />
              <NativeSelect aria-label={t('rotation.unit')} value={String(by)} data={[{ value: String(day), label: t('rotation.unitDays') }, { value: '1', label: t('rotation.unitHours') }]}
                onChange={(e) => {
                  const next = Number(e.currentTarget.value)
                  setUnit(next)
                  setHours(Math.round(keep / next) * next)
                }}
              />
            </Group>
            <Checkbox.Group label={t('rotation.kinds')} value={types} onChange={setChosen}>
              <SimpleGrid cols={{ base: 1, xs: 2 }} spacing={8} mt={6}>
                {kinds.map((kind) => <Checkbox key={kind} value={kind} label={t(`rotation.kind.${kind}`)} />)}
              </SimpleGrid>
            </Checkbox.Group>
            <Group gap="xs" mt={4}>
              <Button leftSection={<IconEraser size={16} />} loading={busy} disabled={types.length === 0} onClick={run}>{t('rotation.run')}</Button>
              <Button variant="default" disabled={busy || types.length === 0} onClick={() => void start({ ...parameters, dry_run: true }, t('rotation.started'))}>{t('dryRun')}</Button>
            </Group>
          </Stack>
        </Panel>
        <SchedulePanel
          work={purge} title={t('rotation.schedule')} parameters={parameters}
          told={scheduled && t('rotation.told', { age: words(before.number('audit_retention_hour') ?? 0), kinds: list(types.map((k) => t(`rotation.kind.${kinds.find((one) => one === k) ?? 'other'}`)), i18n.language) })}
        />
      </SimpleGrid>
      <Running work={purge} label={() => t('rotation.running')} />
      <History work={purge} label={t('rotation.history')} resultTitle={t('rotation.gone')} result={result} empty={t('rotation.empty')} />
    </Stack>
  )
}

function list(names: string[], language: string): string {
  return new Intl.ListFormat(language).format(names)
}
