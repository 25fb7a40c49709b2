import { expect, test } from 'vitest'
import { cveIds, dayOf, endOfDay } from './allowed'

test('ids are told apart however they are written, and count once', () => {
  expect(cveIds(' CVE-2026-1, CVE-2026-2\nCVE-2026-1;GHSA-a-b-c ')).toEqual(['CVE-2026-1', 'CVE-2026-2', 'GHSA-a-b-c'])
  expect(cveIds(' \n')).toEqual([])
})

test('upper and lower case make no difference', () => expect(cveIds(' CVE-2026-1, CVE-2026-2\n\ncve-2026-1;X')).toEqual(['CVE-2026-1', 'CVE-2026-2', 'X']))

test('a list ends with the end of a day', () => {
  const end = endOfDay('2026-03-05') ?? 0
  expect(dayOf(end)).toBe('2026-03-05')
  expect(dayOf(end + 1)).toBe('2026-03-06')
  expect([endOfDay(''), dayOf(null)]).toEqual([undefined, ''])
})
