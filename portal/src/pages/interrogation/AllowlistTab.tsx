import { Alert, Button, Group, Radio, Stack, Textarea, TextInput, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { dayOf, endOfDay } from '~/parts/days'
import { ErrorState } from '~/parts/ErrorState'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { tellDone, words } from '~/parts/tell'
import { cveIds } from './allowed'
import { allowlist, setAllowlist } from './queries'

/** Vulnerabilities that hold nothing up, in projects that use this list. */
export default function AllowlistTab() {
  const { t } = useTranslation('interrogation')
  const query = useQuery(allowlist)
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (!query.data) return <PageSkeleton />
  const { items, expires_at, update_time } = query.data
  return <Panel title={t('allow.title')}><Form key={update_time} ids={items.map((i) => i.cve_id)} expires={expires_at ?? null} /></Panel>
}

function Form({ ids, expires }: { ids: string[]; expires: number | null }) {
  const { t } = useTranslation('interrogation')
  const queries = useQueryClient()
  const [text, setText] = useState(ids.join('\n'))
  const [ends, setEnds] = useState(expires !== null)
  const [day, setDay] = useState(dayOf(expires))
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const now = cveIds(text)
  const until = ends ? endOfDay(day) : null
  const same = now.join() === ids.join() && (until === expires || (typeof until === 'number' && dayOf(until) === dayOf(expires)))
  const save = async () => {
    if (until === undefined) return
    setBusy(true)
    setError(undefined)
    try {
      await setAllowlist(now, until)
      await queries.invalidateQueries({ queryKey: allowlist.queryKey })
      tellDone(t('allow.done'))
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        void save()
      }}
    >
      <Stack gap="md">
        <Text c="dimmed">{t('allow.about')}</Text>
        {expires !== null && expires * 1000 < Date.now() && <Alert color="yellow">{t('allow.expired')}</Alert>}
        <Textarea label={t('allow.ids')} description={t('allow.idsHint')} maw={520} autosize minRows={5} maxRows={18} spellCheck={false} value={text} onChange={(e) => setText(e.currentTarget.value)} />
        <Text size="sm" c="dimmed" role="status">{t('allow.count', { count: now.length })}</Text>
        <Radio.Group label={t('allow.expires')} value={ends ? 'day' : 'never'} onChange={(v) => setEnds(v === 'day')}>
          <Stack gap={8} mt={6}>
            <Radio value="never" label={t('allow.never')} />
            <Radio value="day" label={t('allow.onDay')} />
          </Stack>
        </Radio.Group>
        {ends && <TextInput type="date" label={t('allow.day')} description={t('allow.dayHint')} maw={220} value={day} onChange={(e) => setDay(e.currentTarget.value)} />}
        {error !== undefined && <Alert role="alert" color="red">{words(error)}</Alert>}
        <Group><Button type="submit" loading={busy} disabled={same || until === undefined}>{t('form.save')}</Button></Group>
      </Stack>
    </form>
  )
}
