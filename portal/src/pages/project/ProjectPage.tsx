import { useSuspenseQuery } from '@tanstack/react-query'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { useRights } from '~/api/session'
import { projectNamed } from '~/pages/projects/queries'
import { Visibility } from '~/pages/projects/ProjectsPage'
import { TextLink } from '~/parts/links'
import { PageHeader } from '~/parts/PageHeader'
import classes from './ProjectPage.module.css'
import { projectRoute } from './route'
import { tabs } from './tabs'

export default function ProjectPage() {
  const { t } = useTranslation('project')
  const { project: name } = projectRoute.useParams()
  const { data: project } = useSuspenseQuery(projectNamed(name))
  const may = useRights(project.project_id)
  const nav = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  const shown = tabs.filter((tab) => !('needs' in tab) || may(tab.needs[0], tab.needs[1]))
  // Where there is no room for all tabs, the one that is open is among those that are seen.
  useEffect(() => nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [pathname, shown.length])
  return (
    <>
      <PageHeader title={project.name} mark={<Visibility project={project} />} above={[<TextLink key="projects" to="/projects">{t('projects')}</TextLink>]} />
      <nav ref={nav} className={classes.tabs} aria-label={t('label')}>
        {shown.map(({ name: tab, to, icon: Icon }) => (
          <Link key={tab} className={classes.tab} to={to} params={{ project: name }} activeOptions={{ exact: tab === 'summary', includeSearch: false }}><Icon size={16} stroke={1.7} />{t(`tabs.${tab}`)}</Link>
        ))}
      </nav>
      <Outlet />
    </>
  )
}
