import { useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { systemInfo } from '~/api/session'
import { tellDone } from '~/parts/tell'
import { changed, type Draft } from './draft'
import { changeSettings, type Key, settings, type Value, valueOf } from './queries'

/** What a group of settings was filled in with. */
export interface Form {
  value: (key: Key) => Value | undefined // as it is filled in, or else as it is
  set: (key: Key, value: Value) => void
  dirty: boolean // something was changed
  ready: boolean // and can be sent
  save: () => Promise<void>
  reset: () => void
  busy: boolean
  error: unknown
  saved: number // counts what was saved and thrown away, so that fields begin anew
}

export function useForm(): Form {
  const { t } = useTranslation('settings')
  const { data: all } = useSuspenseQuery(settings)
  const queries = useQueryClient()
  const [draft, setDraft] = useState<Draft>({})
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const [saved, setSaved] = useState(0)
  const change = changed(all, draft)
  const reset = () => {
    setDraft({})
    setError(undefined)
    setSaved((n) => n + 1)
  }
  const save = async () => {
    setBusy(true)
    setError(undefined)
    try {
      await changeSettings(change)
      await Promise.all([queries.invalidateQueries({ queryKey: settings.queryKey }), queries.invalidateQueries({ queryKey: systemInfo.queryKey })])
      reset()
      tellDone(t('saved'))
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return {
    value: (key) => draft[key] ?? valueOf(all, key),
    set: (key, value) => setDraft((before) => ({ ...before, [key]: value })),
    dirty: Object.keys(change).length > 0,
    ready: Object.keys(change).length > 0 && !Object.values(change).some(Number.isNaN),
    save, reset, busy, error, saved,
  }
}
