import type { Berth } from './berth'

/** What there is to see on the pages of those who run the registry. */
export async function furnishOperations(berth: Berth): Promise<void> {
  await berth.api('POST', '/system/gc/schedule', { schedule: { type: 'Manual' }, parameters: { dry_run: true } })
  await berth.api('POST', '/system/gc/schedule', { schedule: { type: 'Daily' }, parameters: { delete_untagged: true, workers: 2 } })
  await berth.api('POST', '/system/purgeaudit/schedule', { schedule: { type: 'Manual' }, parameters: { audit_retention_hour: 720, include_event_types: 'pull_artifact', dry_run: true } })
  await berth.api('PUT', '/system/CVEAllowlist', { items: [{ cve_id: 'CVE-2026-0001' }], expires_at: 4_102_444_799 })
}
