import { useProject } from '~/pages/project/useProject'
import { Labels } from './Labels'

export default function LabelsTab() {
  const { project, may } = useProject()
  return <Labels scope={{ scope: 'p', project_id: project.project_id }} may={{ create: may('label', 'create'), update: may('label', 'update'), delete: may('label', 'delete') }} />
}
