import { admin, type Berth } from './berth'

/** Makes what there is to see on the pages of administrators, and returns the id of a replication. */
export async function furnishAdministration(berth: Berth): Promise<number> {
  for (const name of ['ada', 'grace', 'linus']) await berth.createUser(name)
  const users = (await berth.api('GET', '/users?username=ada')) as { user_id: number }[]
  await berth.api('PUT', `/users/${users[0]?.user_id}/sysadmin`, { sysadmin_flag: true })
  for (const group_name of ['dock-workers', 'pilots']) await berth.api('POST', '/usergroups', { group_name, group_type: 3 })
  const pull = [{ resource: 'repository', action: 'pull' }, { resource: 'repository', action: 'list' }]
  await berth.api('POST', '/robots', { name: 'pipeline', description: 'Builds of every night', level: 'system', duration: 30, disable: false, permissions: [{ kind: 'project', namespace: '*', access: pull }] })
  await berth.api('POST', '/robots', {
    name: 'inventory', level: 'system', duration: -1, disable: true,
    permissions: [{ kind: 'system', namespace: '/', access: [{ resource: 'user', action: 'list' }] }, { kind: 'project', namespace: 'harbour-tools', access: pull }],
  })
  for (const [name, color] of [['approved', '#1f7a4d'], ['on hold', '#a15c00']]) await berth.api('POST', '/labels', { name, color, description: `Whatever is ${name}`, scope: 'g' })
  // It copies to itself, as if it were another.
  const credential = { type: 'basic', access_key: admin.name, access_secret: admin.password }
  await berth.api('POST', '/registries', { name: 'antwerp', description: 'The other side of the sea', type: 'harbor', url: berth.url, insecure: true, credential })
  const rule = { dest_registry: { id: 1 }, dest_namespace: 'mirror', dest_namespace_replace_count: 1, override: true, enabled: true }
  await berth.api('POST', '/replication/policies', {
    ...rule, name: 'nightly', description: 'What the other side needs', trigger: { type: 'scheduled', trigger_settings: { cron: '0 30 2 * * *' } },
    filters: [{ type: 'name', value: '{harbour-tools/ropes,library/**}' }, { type: 'tag', value: 'v*', decoration: 'matches' }],
  })
  await berth.api('POST', '/replication/policies', { ...rule, name: 'by-hand', enabled: false, trigger: { type: 'manual' }, filters: [] })
  await berth.api('POST', '/replication/executions', { policy_id: 1 })
  const executions = (await berth.api('GET', '/replication/executions?policy_id=1')) as { id: number }[]
  return executions[0]?.id ?? 0
}
