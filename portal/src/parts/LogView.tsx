import { Button, Checkbox, Group, Text, TextInput } from '@mantine/core'
import { IconDownload, IconSearch } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, quiet } from '~/api/client'
import { ErrorState } from './ErrorState'
import { chunks, matching, save } from './log'
import classes from './LogView.module.css'

export interface LogProps {
  label: string // whose log it is
  name: readonly (string | number)[] // of the log: a query's key
  read: (headers: Record<string, string>) => Promise<string> // with parseAs: 'text'; the headers belong to the request
  running?: boolean // the log grows, so it is read again and again
  file: string // what a download is called
}

/** A log: it follows what is written, and can be searched and kept. */
export function LogView({ label, name, read, running = false, file }: LogProps) {
  const { t } = useTranslation('parts')
  const [sought, setSought] = useState('')
  const [follow, setFollow] = useState(true)
  const frame = useRef<HTMLDivElement>(null)
  const query = useQuery({
    queryKey: ['log', ...name, running],
    queryFn: async () => {
      try {
        return await read(quiet)
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return '' // nothing was written so far
        throw error
      }
    },
    refetchInterval: running ? 1500 : false,
    placeholderData: keepPreviousData,
    staleTime: 0,
  })
  const text = query.data ?? ''
  const lines = matching(text, sought)
  useEffect(() => {
    if (follow && running) frame.current?.scrollTo({ top: frame.current.scrollHeight })
  }, [text, follow, running])

  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  return (
    <div className={classes.whole}>
      <Group gap="xs" className={classes.tools}>
        <TextInput type="search" size="xs" className={classes.search} aria-label={t('log.search')} placeholder={t('log.search')} leftSection={<IconSearch size={14} />}
          value={sought} onChange={(e) => setSought(e.currentTarget.value)} />
        {sought && <Text size="sm" c="dimmed" role="status">{t('log.found', { count: lines.length })}</Text>}
        {running && <Checkbox size="xs" label={t('log.follow')} checked={follow} onChange={(e) => setFollow(e.currentTarget.checked)} />}
        <Button size="xs" variant="default" ml="auto" leftSection={<IconDownload size={14} />} disabled={text === ''} onClick={() => save(text, file)}>{t('log.download')}</Button>
      </Group>
      <div ref={frame} className={classes.frame} tabIndex={0} role="log" aria-label={label} aria-live="off" aria-busy={query.isPending}>
        {text === '' && !query.isPending && <Text size="sm" c="dimmed">{t('log.nothing')}</Text>}
        {chunks(lines).map((part, i) => <pre key={i} className={classes.part}>{part}</pre>)}
      </div>
    </div>
  )
}
