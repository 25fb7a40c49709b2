import { SimpleGrid, Stack } from '@mantine/core'
import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useRights } from '~/api/session'
import { projectRoute } from '~/pages/project/route'
import { projectNamed, projectPulls, projectSummary } from '~/pages/projects/queries'
import { Count } from '~/parts/Bytes'
import { DayBars } from '~/parts/DayBars'
import { ErrorState } from '~/parts/ErrorState'
import { Facts } from '~/parts/Facts'
import { Figure } from '~/parts/Figure'
import { TextLink } from '~/parts/links'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { PushCommands } from '~/parts/PushCommands'
import { TimeAgo } from '~/parts/TimeAgo'
import { UsageBar } from '~/parts/UsageBar'

const counted = ['project_admin_count', 'maintainer_count', 'developer_count', 'guest_count', 'limited_guest_count'] as const

export default function SummaryTab() {
  const { t } = useTranslation('project')
  const { project: name } = projectRoute.useParams()
  const { data: project } = useSuspenseQuery(projectNamed(name))
  const may = useRights(project.project_id)
  const query = useQuery(projectSummary(name))
  const pulls = useQuery(projectPulls(name))
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  if (!query.data) return <PageSkeleton />
  const { repo_count, quota, registry, ...rest } = query.data
  const members = counted.map((c) => [c, rest[c]] as const).filter(([, n]) => n !== undefined)
  const total = members.reduce((sum, [, n]) => sum + (n ?? 0), 0)
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="md">
        <Figure title={t('summary.repositories')}>
          <TextLink inherit to="/projects/$project/repositories" params={{ project: name }}><Count value={repo_count} /></TextLink>
        </Figure>
        {members.length > 0 && <Figure title={t('summary.members')}><Count value={total} /></Figure>}
        {quota && <Figure small title={t('summary.storage')}><UsageBar used={quota.used['storage'] ?? 0} hard={quota.hard['storage'] ?? -1} /></Figure>}
      </SimpleGrid>
      {pulls.data && <Panel title={t('summary.pulls')}><DayBars days={pulls.data} /></Panel>}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Panel title={t('summary.about')}>
          <Facts
            facts={[
              [t('summary.owner'), project.owner_name],
              [t('summary.created'), <TimeAgo key="created" value={project.creation_time} />],
              [t('summary.upstream'), registry && `${registry.name} (${registry.url})`],
              ...members.map(([c, n]) => [t(`summary.${c}`), <Count key={c} value={n ?? 0} />] as [string, React.ReactNode]),
            ]}
          />
        </Panel>
        {may('repository', 'push') && !registry && <Panel title={t('summary.push')}><PushCommands project={name} /></Panel>}
      </SimpleGrid>
    </Stack>
  )
}
