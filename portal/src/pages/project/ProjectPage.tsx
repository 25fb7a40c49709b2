import { useSuspenseQuery } from '@tanstack/react-query'
import { Outlet } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useRights } from '~/api/session'
import { projectNamed } from '~/pages/projects/queries'
import { Visibility } from '~/pages/projects/ProjectsPage'
import { TextLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import { PageTabs } from '~/parts/PageTabs'
import { projectRoute } from './route'
import { tabs } from './tabs'

export default function ProjectPage() {
  const { t } = useTranslation('project')
  const { project: name } = projectRoute.useParams()
  const { data: project } = useSuspenseQuery(projectNamed(name))
  const may = useRights(project.project_id)
  const shown = tabs.filter((tab) => !('needs' in tab) || may(tab.needs[0], tab.needs[1]))
  return (
    <>
      <PageHeader title={project.name} mark={<Visibility project={project} />} above={[<TextLink key="projects" to="/projects">{t('projects')}</TextLink>]} />
      <PageTabs many label={t('label')} params={{ project: name }} tabs={shown.map(({ name: tab, to, icon }) => ({ to, icon, label: t(`tabs.${tab}`), exact: tab === 'summary' }))} />
      <Outlet />
    </>
  )
}
