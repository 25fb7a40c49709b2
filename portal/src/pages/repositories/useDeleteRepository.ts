import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { projectsKey } from '~/pages/projects/queries'
import { useConfirm } from '~/parts/Confirm'
import { withoutProject } from '~/parts/names'
import { deleteRepository, type Repository, repositoriesKey } from './queries'

/** Returns what asks, and then deletes a repository; after is done before it is noticed that it is gone. */
export function useDeleteRepository(project: string) {
  const { t } = useTranslation('repositories')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (repository: Repository, after?: () => unknown) =>
    confirm({
      title: t('delete.title', { name: repository.name }),
      loses: t('delete.loses', { count: repository.artifact_count }),
      type: withoutProject(repository.name),
      verb: t('delete.verb'),
      action: async () => {
        await deleteRepository(project, withoutProject(repository.name))
        await after?.()
        await Promise.all([repositoriesKey, projectsKey].map((queryKey) => queries.invalidateQueries({ queryKey })))
      },
      done: t('delete.done', { name: repository.name }),
    })
}
