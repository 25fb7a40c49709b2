import { expect, test } from 'vitest'
import { allowed } from './allowed'

const now = new Date('2026-06-01T00:00:00Z')
const items = [{ cve_id: 'CVE-1' }]

test('a list counts until it expires', () => {
  expect(allowed({ items }, now)).toEqual(new Set(['cve-1']))
  expect(allowed({ items, expires_at: now.getTime() / 1000 + 60 }, now)).toEqual(new Set(['cve-1']))
  expect(allowed({ items, expires_at: now.getTime() / 1000 - 60 }, now)).toEqual(new Set())
  expect(allowed(undefined, now)).toEqual(new Set())
})
