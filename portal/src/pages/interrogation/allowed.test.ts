import { expect, test } from 'vitest'
import { cveIds } from './allowed'

test('ids are told apart however they are written, and count once', () => {
  expect(cveIds(' CVE-2026-1, CVE-2026-2\nCVE-2026-1;GHSA-a-b-c ')).toEqual(['CVE-2026-1', 'CVE-2026-2', 'GHSA-a-b-c'])
  expect(cveIds(' \n')).toEqual([])
})

test('upper and lower case make no difference', () => expect(cveIds(' CVE-2026-1, CVE-2026-2\n\ncve-2026-1;X')).toEqual(['CVE-2026-1', 'CVE-2026-2', 'X']))
