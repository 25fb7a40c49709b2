import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { projectsKey } from '~/pages/projects/queries'
import { useConfirm } from '~/parts/Confirm'
import { withoutProject } from '~/parts/names'
import { deleteRepository, type Repository, repositoriesKey } from './queries'

/** Returns what asks, and then deletes repositories of a project; after is done before it is noticed that they are gone. */
export function useDeleteRepositories(project: string) {
  const { t } = useTranslation('repositories')
  const confirm = useConfirm()
  const queries = useQueryClient()
  return (repositories: Repository[], after?: () => unknown) => {
    const names = repositories.map((r) => r.name)
    confirm({
      title: t('delete.title', { count: names.length }),
      names,
      loses: t('delete.loses', { count: repositories.reduce((sum, r) => sum + r.artifact_count, 0) }),
      type: names.length === 1 ? withoutProject(names[0] ?? '') : project,
      verb: t('delete.verb', { count: names.length }),
      action: {
        items: repositories.map((r) => ({ name: r.name, act: () => deleteRepository(project, withoutProject(r.name)) })),
        done: t('delete.done', { count: names.length }),
        after: async () => {
          await after?.()
          await Promise.all([repositoriesKey, projectsKey].map((queryKey) => queries.invalidateQueries({ queryKey })))
        },
      },
    })
  }
}
