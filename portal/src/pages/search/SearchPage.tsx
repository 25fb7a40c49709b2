import { Badge, Stack, Text, TextInput } from '@mantine/core'
import { IconLock, IconSearch, IconSearchOff, IconWorld } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api, data } from '~/api/client'
import { Count } from '~/parts/Bytes'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { TextLink } from '~/parts/links'
import { withoutProject } from '~/parts/names'
import { PageHeader } from '~/parts/PageHeader'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { searchRoute } from './route'
import classes from './search.module.css'

/** All projects and repositories that have a text in their names. */
export default function SearchPage() {
  const { t } = useTranslation('search')
  const { q = '' } = searchRoute.useSearch()
  const query = useQuery({
    queryKey: ['search', q],
    queryFn: () => data(api.GET('/search', { params: { query: { q } } })),
    enabled: q !== '',
    placeholderData: (before) => before,
  })
  const found = query.data
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} />
      <Stack gap="md">
        <SearchForm key={q} q={q} />
        {query.isError && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
        {q !== '' && query.isPending && <PageSkeleton />}
        {found && found.project.length + found.repository.length === 0 && <Panel><EmptyState icon={IconSearchOff} title={t('nothing', { text: q })}>{t('nothingHint')}</EmptyState></Panel>}
        {found && found.project.length > 0 && (
          <Panel title={t('projects', { count: found.project.length })} flush>
            <ul className={classes.found}>
              {found.project.map((p) => (
                <li key={p.project_id}>
                  <TextLink fw={560} to="/projects/$project" params={{ project: p.name }}>{p.name}</TextLink>
                  <Visibility open={p.metadata?.public === 'true'} />
                  <Text component="span" size="sm" c="dimmed"><Count value={p.repo_count} /> {t('unit.repositories', { count: p.repo_count })}</Text>
                </li>
              ))}
            </ul>
          </Panel>
        )}
        {found && found.repository.length > 0 && (
          <Panel title={t('repositories', { count: found.repository.length })} flush>
            <ul className={classes.found}>
              {found.repository.map((r) => (
                <li key={r.repository_name}>
                  <TextLink fw={560} to="/projects/$project/repositories/$repository" params={{ project: r.project_name, repository: withoutProject(r.repository_name) }}>{r.repository_name}</TextLink>
                  <Visibility open={r.project_public} />
                  <Text component="span" size="sm" c="dimmed"><Count value={r.artifact_count} /> {t('unit.artifacts', { count: r.artifact_count })} · <Count value={r.pull_count} /> {t('unit.pulls', { count: r.pull_count })}</Text>
                </li>
              ))}
            </ul>
          </Panel>
        )}
      </Stack>
    </>
  )
}

/** What is looked for; another q is another form. */
function SearchForm({ q }: { q: string }) {
  const { t } = useTranslation('search')
  const [text, setText] = useState(q)
  const navigate = useNavigate()
  return (
    <form
      role="search"
      onSubmit={(e) => {
        e.preventDefault()
        void navigate({ to: '/search', search: { q: text.trim() } })
      }}
    >
      <TextInput type="search" maw={480} leftSection={<IconSearch size={16} />} aria-label={t('label')} placeholder={t('label')} value={text} onChange={(e) => setText(e.currentTarget.value)} />
    </form>
  )
}

function Visibility({ open }: { open: boolean }) {
  const { t } = useTranslation('search')
  return open ? <Badge color="tide" leftSection={<IconWorld size={13} />}>{t('public')}</Badge> : <Badge color="gray" leftSection={<IconLock size={13} />}>{t('private')}</Badge>
}
