import { expect, test } from 'vitest'
import { asSent, isLimit, settingsOf } from './settings'

const fresh = settingsOf({ metadata: { public: 'false' } })

test('a project starts with no rule, and with the list of the system', () => {
  expect(fresh).toMatchObject({ public: false, cosign: false, preventVulnerable: false, severity: 'low', allowlist: 'system', cves: '', endsOn: '', speed: '' })
})

test.each([false, true])('what is sent is read back (cache: %s)', (cache) => {
  const sent = { ...fresh, public: true, cosign: true, preventVulnerable: true, severity: 'high', auditOnly: true, allowlist: 'project' as const, cves: 'CVE-2026-1\nGHSA-x', endsOn: '2026-12-31', ...(cache && { speed: '512', connections: '3', filter: 'library/**', filterKind: 'regex', referrers: true }) }
  const { metadata, cve_allowlist } = asSent(sent, cache)
  const items = (cve_allowlist?.items ?? []).map((i) => ({ cve_id: i.cve_id ?? '' }))
  expect(settingsOf({ metadata, cve_allowlist: { id: 1, project_id: 1, creation_time: '', update_time: '', ...cve_allowlist, items } })).toEqual(sent)
})

test('only a cache has what is about caches', () => {
  expect(Object.keys(asSent(fresh, false).metadata ?? {}).filter((k) => /proxy|upstream/.test(k))).toEqual([])
  expect(asSent(fresh, true).metadata).toMatchObject({ proxy_speed_kb: '-1', max_upstream_conn: '-1' })
  expect(asSent(fresh, true).metadata).not.toHaveProperty('enable_content_trust')
})

test.each([['', true], ['1', true], ['0', false], ['-1', false], ['1.5', false], ['2147483648', false]])('%j is a limit: %s', (text, is) => expect(isLimit(text)).toBe(is))
