import { useQuery } from '@tanstack/react-query'
import { useProject } from '~/pages/project/useProject'
import { useList } from '~/parts/useList'
import { AuditTable } from './AuditTable'
import { project, projectAuditList } from './queries'

export default function LogsTab() {
  const { name } = useProject()
  const list = useList('-op_time')
  return <AuditTable list={list} query={useQuery(projectAuditList(name, list))} kinds={project} />
}
