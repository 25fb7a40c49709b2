import type { Berth } from './berth'
import { furnishAdministration } from './furnish-administration'

/** A page as it is looked at by axe and photographed: a line for each. */
export interface Shown {
  name: string // of the picture
  path: string
  stranger?: boolean // without having signed in
  wait?: string // a text that the page has when it is all there; its name in the languages is the same
}

export const pages: Shown[] = [
  { name: 'signin', path: '/signin', stranger: true },
  { name: 'projects', path: '/projects', wait: 'harbour-tools' },
  { name: 'project-summary', path: '/projects/harbour-tools', wait: 'docker push' },
  { name: 'project-repositories', path: '/projects/harbour-tools/repositories', wait: 'crane/operator' },
  { name: 'project-empty', path: '/projects/empty-quay/repositories', wait: 'docker push' },
  { name: 'artifacts', path: '/projects/harbour-tools/repositories/crane%2Foperator', wait: '1.4.2' },
  { name: 'users', path: '/users', wait: 'ada@example.com' },
  { name: 'groups', path: '/groups', wait: 'dock-workers' },
  { name: 'robots', path: '/robots', wait: 'pipeline' },
  { name: 'registries', path: '/registries', wait: 'antwerp' },
  { name: 'replications', path: '/replications', wait: 'nightly' },
  { name: 'replication-rule', path: '/replications/1', wait: 'library/**' },
  { name: 'replication-execution', path: '/replications/1/executions/1', wait: 'harbour-tools/ropes' },
  { name: 'labels', path: '/labels', wait: 'approved' },
  { name: 'profile', path: '/profile' },
  { name: 'about', path: '/about', wait: 'Harbor' },
  { name: 'not-found', path: '/nowhere' },
]

/** What there is to see on them. */
export async function furnish(berth: Berth): Promise<void> {
  await berth.createProject('harbour-tools')
  await berth.createProject('empty-quay')
  await berth.createProject('public-images', true)
  await berth.api('POST', '/projects', { project_name: 'night-shift', storage_limit: 20 * 1024 ** 3 })
  for (const tag of ['1.4.0', '1.4.1', '1.4.2']) berth.push(`harbour-tools/crane/operator:${tag}`)
  berth.crane('tag', `${berth.host}/harbour-tools/crane/operator:1.4.2`, 'latest')
  for (const name of ['tide-table', 'lighthouse', 'pilot/radio', 'ropes']) berth.push(`harbour-tools/${name}:v1`)
  berth.push('public-images/alpine:3.22')
  await furnishAdministration(berth)
}
