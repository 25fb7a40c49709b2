import { Group, Radio, Skeleton, Stack } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ErrorState } from '~/parts/ErrorState'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { candidates, chooseScanner, scannerKey } from './queries'
import { Abilities, Health } from './ScannerTab'

/** The dialog that gives a project another scanner. */
export default function ChooseScanner({ project, current, onClose }: { project: string; current: string; onClose: () => void }) {
  const { t } = useTranslation('projectScanner')
  const query = useQuery(candidates(project))
  const [chosen, setChosen] = useState(current)
  const queries = useQueryClient()
  const save = async () => {
    await chooseScanner(project, chosen)
    await queries.invalidateQueries({ queryKey: scannerKey })
    tellDone(t('change.done'))
  }
  return (
    <FormModal title={t('change.title')} onClose={onClose} verb={t('change.verb')} disabled={chosen === '' || chosen === current} onSubmit={save}>
      {query.isError && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton h={90} />}
      <Radio.Group label={t('change.which')} value={chosen} onChange={setChosen}>
        <Stack gap="sm" mt={8}>
          {query.data?.map((s) => <Radio key={s.uuid} value={s.uuid} disabled={s.disabled} label={<Group gap={8} component="span">{s.name}<Health scanner={s} /></Group>} description={<Abilities scanner={s} />} />)}
        </Stack>
      </Radio.Group>
    </FormModal>
  )
}
