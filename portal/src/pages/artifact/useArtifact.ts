import { useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { useRights } from '~/api/session'
import { projectNamed } from '~/pages/projects/queries'
import { repositoriesKey } from '~/pages/repositories/queries'
import { artifactAt, type Place } from './queries'
import { artifactRoute } from './route'

/** The artifact of the page, where it is, and what one may do there. */
export function useArtifact() {
  const params = artifactRoute.useParams()
  const { data: artifact } = useSuspenseQuery(artifactAt(params))
  const { data: project } = useSuspenseQuery(projectNamed(params.project))
  const queries = useQueryClient()
  // By its digest: a tag may move while the page is open.
  const place: Place = { ...params, reference: artifact.digest }
  return {
    artifact,
    project,
    params,
    place,
    may: useRights(project.project_id),
    /** Reads again what was read of the project's repositories. */
    changed: () => queries.invalidateQueries({ queryKey: [...repositoriesKey, params.project] }),
  }
}
