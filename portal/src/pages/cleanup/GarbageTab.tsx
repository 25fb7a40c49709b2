import { Button, Checkbox, Group, NumberInput, SimpleGrid, Stack, Text } from '@mantine/core'
import { IconRecycle } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { History } from '~/pages/systemjobs/History'
import { gc, type Parameters, scheduleOf, type SystemJob } from '~/pages/systemjobs/queries'
import { Running } from '~/pages/systemjobs/Running'
import { SchedulePanel } from '~/pages/systemjobs/SchedulePanel'
import { told } from '~/pages/systemjobs/told'
import { useStart } from '~/pages/systemjobs/useStart'
import { useConfirm } from '~/parts/Confirm'
import { bytes } from '~/parts/numbers'
import { Panel } from '~/parts/Panel'

/** Garbage collection: now, at times, and what it freed. */
export default function GarbageTab() {
  const { t } = useTranslation('cleanup')
  const [untagged, setUntagged] = useState<boolean>()
  const [workers, setWorkers] = useState<number>()
  const { data: scheduled } = useQuery(scheduleOf(gc))
  const before = told(scheduled?.job_parameters)
  // What was chosen for the schedule is what one begins with.
  const parameters = { delete_untagged: untagged ?? before.flag('delete_untagged'), workers: workers ?? before.number('workers') ?? 1 }
  const { start, busy } = useStart(gc)
  const confirm = useConfirm()
  const result = useResult()
  const now = (extra: Parameters) => start({ ...parameters, ...extra }, t('garbage.started'))
  const collect = () => {
    if (!parameters.delete_untagged) return void now({})
    confirm({ title: t('garbage.ask'), loses: t('garbage.loses'), verb: t('garbage.run'), action: () => start(parameters) })
  }
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Panel title={t('garbage.title')}>
          <Stack gap="sm">
            <Text c="dimmed">{t('garbage.about')}</Text>
            <Checkbox label={t('garbage.untagged')} description={t('garbage.untaggedHint')} checked={parameters.delete_untagged} onChange={(e) => setUntagged(e.currentTarget.checked)} />
            <NumberInput label={t('garbage.workers')} description={t('garbage.workersHint')} min={1} max={10} clampBehavior="strict" allowDecimal={false} maw={260} value={parameters.workers} onChange={(n) => setWorkers(Number(n) || 1)} />
            <Group gap="xs" mt={4}>
              <Button leftSection={<IconRecycle size={16} />} loading={busy} onClick={collect}>{t('garbage.run')}</Button>
              <Button variant="default" disabled={busy} onClick={() => void now({ dry_run: true })}>{t('dryRun')}</Button>
            </Group>
          </Stack>
        </Panel>
        <SchedulePanel
          work={gc} title={t('garbage.schedule')} parameters={parameters}
          told={scheduled && t(before.flag('delete_untagged') ? 'garbage.withUntagged' : 'garbage.withoutUntagged', { workers: before.number('workers') ?? 1 })}
        />
      </SimpleGrid>
      <Running work={gc} label={(job) => t(told(job.job_parameters).flag('dry_run') ? 'garbage.rehearsing' : 'garbage.running', { freed: result(job) })} />
      <History work={gc} label={t('garbage.history')} resultTitle={t('garbage.freed')} result={result} empty={t('garbage.empty')} />
    </Stack>
  )
}

/** What a collection freed, or would have. */
function useResult() {
  const { t, i18n } = useTranslation('cleanup')
  return (job: SystemJob): string => {
    const came = told(job.job_parameters)
    const [freed, blobs, artifacts] = [came.number('freed_space'), came.number('purged_blobs') ?? 0, came.number('purged_manifests') ?? 0]
    if (freed === undefined) return '–'
    return [bytes(freed, i18n.language), t('garbage.blobs', { count: blobs }), ...(artifacts > 0 ? [t('garbage.artifacts', { count: artifacts })] : [])].join(' · ')
  }
}
