import { Button, Text } from '@mantine/core'
import { IconPlus, IconRobot } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Expiry } from '~/pages/robots/Expiry'
import type { Robot } from '~/pages/robots/queries'
import { RobotActions } from '~/pages/robots/RobotActions'
import { RobotState } from '~/pages/robots/RobotState'
import type { Told } from '~/pages/robots/SecretDialog'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { PageHeader } from '~/parts/PageHeader'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { everyProject, system } from './grants'
import { systemRobotsList } from './queries'

const SystemRobotForm = lazy(() => import('./SystemRobotForm'))
const SecretDialog = lazy(() => import('~/pages/robots/SecretDialog'))

export default function SystemRobotsPage() {
  const { t } = useTranslation('robots')
  const { t: ts } = useTranslation('system')
  const list = useList('name')
  const query = useQuery(systemRobotsList(list))
  const [edited, setEdited] = useState<Robot | 'new'>()
  const [told, setTold] = useState<Told>()
  const columns: Column<Robot>[] = [
    {
      name: 'name', title: t('name'), sort: 'name',
      cell: (r) => <div style={{ overflowWrap: 'anywhere' }}><span className="mono" style={{ fontWeight: 560 }}>{r.name}</span>{r.description && <Text size="sm" c="dimmed">{r.description}</Text>}</div>,
    },
    { name: 'state', title: t('state.label'), cell: (r) => <RobotState robot={r} /> },
    { name: 'projects', title: ts('robots.where'), cell: (r) => <Where robot={r} /> },
    { name: 'permissions', title: t('permissions'), align: 'right', cell: (r) => t('granted', { count: r.permissions.reduce((n, p) => n + p.access.length, 0) }) },
    { name: 'expires', title: t('expires'), sort: 'expires_at', cell: (r) => <Expiry seconds={r.expires_at} /> },
    { name: 'created', title: t('created'), sort: 'creation_time', cell: (r) => <TimeAgo value={r.creation_time} /> },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (r) => <RobotActions robot={r} may={{ update: true, delete: true }} onEdit={() => setEdited(r)} onSecret={setTold} /> },
  ]
  const create = <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('create.open')}</Button>
  return (
    <>
      <PageHeader title={t('title')} description={ts('robots.pageDescription')} actions={create} />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(r) => r.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        empty={<EmptyState icon={IconRobot} title={t('empty.title')} action={create}>{ts('robots.empty')}</EmptyState>}
      />
      <Suspense>
        {edited && <SystemRobotForm robot={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} onCreated={setTold} />}
        {told && <SecretDialog told={told} onClose={() => setTold(undefined)} />}
      </Suspense>
    </>
  )
}

/** Where a robot may do something: in the system, in all projects, or in some. */
function Where({ robot }: { robot: Robot }) {
  const { t } = useTranslation('system')
  const places = robot.permissions.map((p) => p.namespace)
  const named = places.filter((p) => p !== system && p !== everyProject)
  const said = [
    places.includes(system) && t('robots.system'),
    places.includes(everyProject) && t('robots.everyProject'),
    named.length > 0 && (named.length <= 2 ? named.join(', ') : t('robots.projects', { count: named.length })),
  ]
  return <span title={named.join(', ') || undefined} style={{ overflowWrap: 'anywhere' }}>{said.filter(Boolean).join(' · ')}</span>
}
