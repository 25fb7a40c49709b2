import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { CronPicker } from '~/parts/CronPicker'
import { scheduleOf, validSchedule } from '~/parts/cron'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { useSave, type Where } from './useSave'

/** The dialog that says when a policy runs by itself. */
export default function ScheduleForm({ onClose, ...where }: Where & { onClose: () => void }) {
  const { t } = useTranslation('retention')
  const [schedule, setSchedule] = useState(scheduleOf(where.kept.cron))
  const save = useSave(where)
  const send = async () => {
    await save({ cron: schedule.cron })
    tellDone(t('schedule.saved'))
  }
  return (
    <FormModal title={t('schedule.title')} onClose={onClose} verb={t('schedule.save')} disabled={!validSchedule(schedule)} onSubmit={send}>
      <CronPicker label={t('schedule.when')} value={schedule} onChange={setSchedule} />
    </FormModal>
  )
}
