import { Button, Text } from '@mantine/core'
import { IconPlus, IconRobot } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { SearchField } from '~/parts/SearchField'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { Expiry } from './Expiry'
import { type Robot, robotsList } from './queries'
import { RobotActions } from './RobotActions'
import { RobotState } from './RobotState'
import type { Told } from './SecretDialog'

const RobotForm = lazy(() => import('./RobotForm'))
const SecretDialog = lazy(() => import('./SecretDialog'))

export default function RobotsTab() {
  const { t } = useTranslation('robots')
  const { name, project, may } = useProject()
  const list = useList('name')
  const query = useQuery(robotsList(project.project_id, list))
  const [edited, setEdited] = useState<Robot | 'new'>()
  const [told, setTold] = useState<Told>()

  const columns: Column<Robot>[] = [
    { name: 'name', title: t('name'), sort: 'name', cell: (r) => <div><span className="mono" style={{ fontWeight: 560, overflowWrap: 'anywhere' }}>{r.name}</span>{r.description && <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>{r.description}</Text>}</div> },
    { name: 'state', title: t('state.label'), cell: (r) => <RobotState robot={r} /> },
    { name: 'permissions', title: t('permissions'), align: 'right', cell: (r) => t('granted', { count: r.permissions.reduce((n, p) => n + p.access.length, 0) }) },
    { name: 'expires', title: t('expires'), sort: 'expires_at', cell: (r) => <Expiry seconds={r.expires_at} /> },
    { name: 'created', title: t('created'), sort: 'creation_time', cell: (r) => <TimeAgo value={r.creation_time} /> },
  ]
  const rights = { update: may('robot', 'update'), delete: may('robot', 'delete') }
  if (rights.update || rights.delete) {
    columns.push({ name: 'actions', title: '', width: 52, align: 'right', cell: (r) => <RobotActions robot={r} may={rights} onEdit={() => setEdited(r)} onSecret={setTold} /> })
  }
  const create = may('robot', 'create') && <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('create.open')}</Button>
  return (
    <>
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(r) => r.id}
        toolbar={<SearchField list={list} label={t('search')} />}
        actions={create}
        empty={<EmptyState icon={IconRobot} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>
        {edited && <RobotForm project={name} robot={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} onCreated={setTold} />}
        {told && <SecretDialog told={told} onClose={() => setTold(undefined)} />}
      </Suspense>
    </>
  )
}
