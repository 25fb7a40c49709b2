import { TextLink } from '~/parts/links'
import { withoutProject } from '~/parts/names'

/** A link from a repository's full name to its artifacts. */
export function ArtifactLink({ repository }: { repository: string; digest: string }) {
  const project = repository.slice(0, repository.indexOf('/'))
  return <TextLink to="/projects/$project/repositories/$repository" params={{ project, repository: withoutProject(repository) }}>{repository}</TextLink>
}
