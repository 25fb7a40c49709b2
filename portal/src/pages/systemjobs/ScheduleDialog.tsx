import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { CronPicker } from '~/parts/CronPicker'
import { type Schedule, validSchedule } from '~/parts/cron'
import { FormModal } from '~/parts/FormModal'

interface Props {
  title: string
  value: Schedule
  onSet: (schedule: Schedule) => Promise<unknown>
  onClose: () => void
}

/** The dialog that changes a schedule. */
export default function ScheduleDialog({ title, value, onSet, onClose }: Props) {
  const { t } = useTranslation('work')
  const [schedule, setSchedule] = useState(value)
  return (
    <FormModal title={title} verb={t('schedule.verb')} disabled={!validSchedule(schedule)} onSubmit={() => onSet(schedule)} onClose={onClose}>
      <CronPicker label={t('schedule.repeats')} value={schedule} onChange={setSchedule} />
    </FormModal>
  )
}
