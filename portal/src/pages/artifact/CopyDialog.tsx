import { Select, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api, page } from '~/api/client'
import { contains, where } from '~/api/query'
import { repositoriesKey } from '~/pages/repositories/queries'
import { useBatch } from '~/parts/Batch'
import { FormModal } from '~/parts/FormModal'
import { shortDigest } from '~/parts/names'
import { tellDone } from '~/parts/tell'
import { copyArtifact, type Place } from './queries'

interface Props {
  places: Place[] // what to copy: of one repository, by digests
  onClose: () => void
}

/** Asks where artifacts are to be copied to. */
export default function CopyDialog({ places, onClose }: Props) {
  const { t } = useTranslation('artifact')
  const first = places[0]
  const [project, setProject] = useState<string | null>(first?.project ?? null)
  const [repository, setRepository] = useState(first?.repository ?? '')
  const queries = useQueryClient()
  const same = project === first?.project && repository === first?.repository
  const batch = useBatch()
  const after = () => queries.invalidateQueries({ queryKey: [...repositoriesKey, project] })
  const done = t('copy.done', { count: places.length, name: `${project}/${repository}` })
  const copy = async () => {
    const items = places.map((place) => ({ name: shortDigest(place.reference), act: () => copyArtifact(place, project ?? '', repository) }))
    if (items.length > 1) return batch({ title: t('copy.title', { count: items.length }), items, done, after })
    await items[0]?.act()
    await after()
    tellDone(done)
  }
  return (
    <FormModal title={t('copy.title', { count: places.length })} onClose={onClose} verb={t('copy.verb')} disabled={!project || !repository || same} onSubmit={copy}>
      <Text size="sm" c="dimmed">{t('copy.hint')}</Text>
      <ProjectSelect value={project} onChange={setProject} />
      <TextInput
        label={t('copy.repository')} autoComplete="off" spellCheck={false} value={repository} error={same ? t('copy.same') : undefined}
        onChange={(e) => setRepository(e.currentTarget.value)}
      />
    </FormModal>
  )
}

/** Finds a project by a part of its name. */
function ProjectSelect({ value, onChange }: { value: string | null; onChange: (name: string | null) => void }) {
  const { t } = useTranslation('artifact')
  const [typed, setTyped] = useState('')
  const [asked] = useDebouncedValue(typed === value ? '' : typed, 200)
  const { data } = useQuery({
    queryKey: ['projects', 'choice', asked],
    queryFn: () => page(api.GET('/projects', { params: { query: { page: 1, page_size: 30, sort: 'name', with_detail: false, q: where(contains('name', asked)) } } })),
    placeholderData: (before) => before,
  })
  // Pushing into a cache of another registry is refused, so it is not offered.
  const names = (data?.items ?? []).filter((p) => !p.registry_id).map((p) => p.name)
  if (value && !names.includes(value) && !asked) names.unshift(value)
  return <Select data-autofocus openOnFocus={false} searchable label={t('copy.project')} data={names} filter={({ options }) => options} value={value} onChange={onChange} onSearchChange={setTyped} nothingFoundMessage={t('copy.noProject')} />
}
