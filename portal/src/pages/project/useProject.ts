import { useSuspenseQuery } from '@tanstack/react-query'
import { useRights } from '~/api/session'
import { projectNamed } from '~/pages/projects/queries'
import { projectRoute } from './route'

/** The project whose tab is shown, and what the caller may do in it. */
export function useProject() {
  const { project: name } = projectRoute.useParams()
  const { data: project } = useSuspenseQuery(projectNamed(name))
  return { name, project, may: useRights(project.project_id) }
}
