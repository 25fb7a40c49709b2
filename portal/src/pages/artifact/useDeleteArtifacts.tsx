import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { projectsKey } from '~/pages/projects/queries'
import { type Artifact, repositoriesKey } from '~/pages/repositories/queries'
import { useConfirm } from '~/parts/Confirm'
import { shortDigest } from '~/parts/names'
import { deleteArtifact } from './queries'

/** An artifact by what people call it. */
export function nameOf(artifact: Artifact): string {
  const tags = (artifact.tags ?? []).map((tag) => tag.name)
  return tags.length > 0 ? `${tags.join(', ')} (${shortDigest(artifact.digest)})` : shortDigest(artifact.digest)
}

/** Returns what asks, says what is lost, and then deletes artifacts of a repository. */
export function useDeleteArtifacts(project: string, repository: string) {
  const { t } = useTranslation('artifact')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (artifacts: Artifact[], after?: () => unknown) => {
    const tags = artifacts.reduce((sum, a) => sum + (a.tags?.length ?? 0), 0)
    const accessories = artifacts.reduce((sum, a) => sum + (a.accessories?.length ?? 0), 0)
    confirm({
      title: t('delete.title', { count: artifacts.length }),
      names: artifacts.map(nameOf),
      loses: [tags > 0 && t('delete.tags', { count: tags }), accessories > 0 && t('delete.accessories', { count: accessories }), t('delete.loses')].filter(Boolean).join(' '),
      verb: t('delete.verb', { count: artifacts.length }),
      action: {
        items: artifacts.map((a) => ({ name: nameOf(a), act: () => deleteArtifact({ project, repository, reference: a.digest }) })),
        done: t('delete.done', { count: artifacts.length }),
        after: async () => {
          // Who is on its page goes first: that it is gone is no failure.
          await after?.()
          await Promise.all([[...repositoriesKey, project], projectsKey].map((queryKey) => queries.invalidateQueries({ queryKey })))
        },
      },
    })
  }
}
