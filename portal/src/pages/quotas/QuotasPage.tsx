import { ActionIcon, Button, Group, Text, Tooltip } from '@mantine/core'
import { IconDatabase, IconPencil } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { changeSettings, settings, valueOf } from '~/pages/settings/queries'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { bytes } from '~/parts/numbers'
import { PageHeader } from '~/parts/PageHeader'
import { tellDone } from '~/parts/tell'
import { UsageBar } from '~/parts/UsageBar'
import { useList } from '~/parts/useList'
import { hard, type Quota, quotasKey, quotasList, setQuota, used } from './queries'

const LimitDialog = lazy(() => import('./LimitDialog'))

export default function QuotasPage() {
  const { t } = useTranslation('quotas')
  const list = useList('-used.storage')
  const query = useQuery(quotasList(list.params))
  const queries = useQueryClient()
  const [edited, setEdited] = useState<Quota>()
  const columns: Column<Quota>[] = [
    { name: 'project', title: t('project'), cell: (q) => <TextLink fw={560} to="/projects/$project" params={{ project: q.ref.name }}>{q.ref.name}</TextLink> },
    { name: 'owner', title: t('owner'), cell: (q) => q.ref.owner_name },
    { name: 'used', title: t('used'), sort: 'used.storage', width: '36%', cell: (q) => <UsageBar used={used(q)} hard={hard(q)} /> },
    { name: 'limit', title: t('limit'), sort: 'hard.storage', align: 'right', cell: (q) => <Limit value={hard(q)} /> },
    {
      name: 'actions', title: '', width: 52, align: 'right',
      cell: (q) => <Tooltip label={t('edit')}><ActionIcon aria-label={t('editOf', { name: q.ref.name })} onClick={() => setEdited(q)}><IconPencil size={17} /></ActionIcon></Tooltip>,
    },
  ]
  return (
    <>
      <PageHeader title={t('title')} description={t('description')} />
      <DataTable label={t('title')} columns={columns} query={query} list={list} rowKey={(q) => q.id} toolbar={<Default />}
        empty={<EmptyState icon={IconDatabase} title={t('empty')}>{t('emptyNext')}</EmptyState>} />
      <Suspense>
        {edited && (
          <LimitDialog
            title={t('editOf', { name: edited.ref.name })} value={hard(edited)} used={used(edited)} onClose={() => setEdited(undefined)}
            onSet={async (limit) => {
              await setQuota(edited.id, limit)
              await queries.invalidateQueries({ queryKey: quotasKey })
              tellDone(t('done', { name: edited.ref.name }))
            }}
          />
        )}
      </Suspense>
    </>
  )
}

function Limit({ value }: { value: number }) {
  const { t, i18n } = useTranslation('quotas')
  return value < 0 ? <Text component="span" inherit c="dimmed">{t('none')}</Text> : <span className="numbers">{bytes(value, i18n.language)}</span>
}

/** The limit that new projects get, with the dialog that changes it. */
function Default() {
  const { t, i18n } = useTranslation('quotas')
  const query = useQuery(settings)
  const queries = useQueryClient()
  const [editing, setEditing] = useState(false)
  if (!query.data) return null
  const now = Number(valueOf(query.data, 'storage_per_project') ?? -1)
  const fixed = query.data.storage_per_project?.editable === false
  return (
    <Group gap="xs">
      <Text size="sm">{t('default', { limit: now < 0 ? t('none') : bytes(now, i18n.language) })}</Text>
      {valueOf(query.data, 'quota_per_project_enable') === false && <Text size="sm" c="dimmed">{t('off')}</Text>}
      <Button size="compact-sm" variant="default" disabled={fixed} title={fixed ? t('fixed') : undefined} onClick={() => setEditing(true)}>{t('defaultEdit')}</Button>
      <Suspense>
        {editing && (
          <LimitDialog
            title={t('defaultTitle')} value={now} onClose={() => setEditing(false)}
            onSet={async (limit) => {
              await changeSettings({ storage_per_project: limit })
              await queries.invalidateQueries({ queryKey: settings.queryKey })
              tellDone(t('defaultDone'))
            }}
          />
        )}
      </Suspense>
    </Group>
  )
}
