import { generateKeyPairSync } from 'node:crypto'
import type { Berth } from './berth'

/** A public key, as cosign writes one. */
export function publicKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } }).publicKey
}

/** A rule about what stays, as the API takes it. */
export function keeping(template: string, count: number, tags = '**') {
  return {
    action: 'retain', template, params: { [template]: count },
    tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: tags }], scope_selectors: { repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }] },
  }
}

/** Makes what the tabs of a project show, and returns the id of a run of retention. */
export async function furnishTabs(berth: Berth, project: string): Promise<number> {
  const { project_id } = (await berth.api('GET', `/projects/${project}`)) as { project_id: number }
  for (const [name, role] of [['anna', 4], ['bao', 2], ['carlos', 3], ['dina', 5]] as const) {
    await berth.createUser(name)
    await berth.addMember(project, name, role)
  }
  for (const [name, color, description] of [['production', '#1f7a4d', 'What runs for people'], ['broken', '#b3261e', ''], ['reviewed', '#f2d675', 'Somebody has looked at it']]) {
    await berth.api('POST', '/labels', { name, color, description, scope: 'p', project_id })
  }
  const may = (...what: [string, string][]) => [{ kind: 'project', namespace: project, access: what.map(([resource, action]) => ({ resource, action })) }]
  await berth.api('POST', '/robots', { name: 'ci', description: 'Builds on every change', level: 'project', duration: 90, permissions: may(['repository', 'pull'], ['repository', 'push']) })
  await berth.api('POST', '/robots', { name: 'cluster', level: 'project', duration: -1, permissions: may(['repository', 'pull']) })
  await berth.api('POST', '/robots', { name: 'old-jenkins', level: 'project', duration: 3, disable: true, permissions: may(['repository', 'pull']) })
  const hooks = `/projects/${project}/webhook/policies`
  await berth.api('POST', hooks, { name: 'build-notice', description: 'Starts the tests', enabled: true, event_types: ['PUSH_ARTIFACT'], targets: [{ type: 'http', address: 'http://127.0.0.1:9/hook', payload_format: 'CloudEvents' }] })
  await berth.api('POST', hooks, { name: 'cleaning', enabled: false, event_types: ['DELETE_ARTIFACT', 'TAG_RETENTION', 'QUOTA_WARNING'], targets: [{ type: 'slack', address: 'https://hooks.slack.example/services/T0/B0/x' }] })
  await berth.api('POST', '/projects/' + project + '/immutabletagrules', { ...keeping('immutable_template', 0, 'v*'), action: 'immutable', params: {} })
  await berth.api('POST', `/projects/${project}/trust`, { name: 'release-key', description: 'The key of those who release', kind: 'key', content: publicKey() })
  await berth.api('POST', '/retentions', { algorithm: 'or', scope: { level: 'project', ref: project_id }, trigger: { kind: 'Schedule', settings: { cron: '0 0 4 * * *' } }, rules: [keeping('latestPushedK', 10), keeping('nDaysSinceLastPull', 30, 'v*')] })
  const { metadata } = (await berth.api('GET', `/projects/${project}`)) as { metadata: { retention_id: string } }
  await berth.api('POST', `/retentions/${metadata.retention_id}/executions`, { dry_run: true })
  const runs = (await berth.api('GET', `/retentions/${metadata.retention_id}/executions`)) as { id: number }[]
  await berth.api('PUT', `/projects/${project}`, { metadata: { enable_content_trust_cosign: 'true', policy_audit_only: 'true', prevent_vul: 'true', severity: 'high' } })
  return runs[0]?.id ?? 0
}
