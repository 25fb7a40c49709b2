import { Button } from '@mantine/core'
import { IconFlask, IconPlayerPlay } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { tellDone, tellFailure } from '~/parts/tell'
import { retentionKey, startRun } from './queries'

/** Runs a policy now, or says what it would do. */
export function RunButtons({ id }: { id: number }) {
  const { t } = useTranslation('retention')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const start = async (dry: boolean) => {
    await startRun(id, dry)
    await queries.invalidateQueries({ queryKey: retentionKey })
  }
  const run = () => confirm({ title: t('run.title'), loses: t('run.loses'), verb: t('run.verb'), done: t('run.started'), action: () => start(false) })
  return (
    <>
      <Button variant="default" leftSection={<IconFlask size={16} />} onClick={() => void start(true).then(() => tellDone(t('run.dryStarted')), tellFailure)}>{t('run.dry')}</Button>
      <Button leftSection={<IconPlayerPlay size={16} />} onClick={run}>{t('run.open')}</Button>
    </>
  )
}
