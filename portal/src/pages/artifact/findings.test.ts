import { expect, test } from 'vitest'
import { choose, type Finding, readReport } from './findings'

const report = {
  'application/vnd.security.vulnerability.report; version=1.1': {
    generated_at: '2026-01-02T03:04:05Z', scanner: { name: 'Berth', version: '1' },
    vulnerabilities: [
      { id: 'CVE-1', package: 'openssl', version: '1', fix_version: '2', severity: 'High', preferred_cvss: { score_v3: 7.5, vector_v3: 'v' }, links: ['https://example.org', 7], vendor_attributes: { vex: { status: 'not_affected' }, kev_date_added: '2026-01-01' } },
      { id: 'CVE-10', package: 'zlib', severity: 'Low', preferred_cvss: { score_v3: null } },
      { id: 'CVE-2', package: 'curl', severity: 'Critical', fix_version: '3', preferred_cvss: { score_v3: 9.8 } },
      'none',
    ],
  },
}

const read = readReport(report)?.findings ?? []
const ids = (change: object) => choose(read, { q: '', severity: '', fixable: false, sort: '-severity', page: 1, size: 10, ...change }).items.map((f: Finding) => f.id)

test('a report is read, and what is not of the form is empty', () => {
  expect(read[0]).toMatchObject({ id: 'CVE-1', fixed: '2', score: 7.5, links: ['https://example.org'], exploited: '2026-01-01', vex: { status: 'not_affected' } })
  expect(read[1]).toMatchObject({ fixed: '', score: undefined, vex: undefined, layers: [] })
  expect(read[3]).toMatchObject({ id: '', severity: '' })
  expect(readReport({})).toBeUndefined()
  expect(readReport(null)).toBeUndefined()
})

test('findings are filtered and ordered', () => {
  expect(ids({})).toEqual(['CVE-2', 'CVE-1', 'CVE-10', ''])
  expect(ids({ fixable: true })).toEqual(['CVE-2', 'CVE-1'])
  expect(ids({ severity: 'Low' })).toEqual(['CVE-10'])
  expect(ids({ q: ' OPENSSL ' })).toEqual(['CVE-1'])
  expect(ids({ sort: 'id' })).toEqual(['', 'CVE-1', 'CVE-2', 'CVE-10'])
  expect(ids({ sort: 'package' })).toEqual(['', 'CVE-2', 'CVE-1', 'CVE-10'])
  expect(choose(read, { q: '', severity: '', fixable: false, sort: 'id', page: 2, size: 3 })).toMatchObject({ total: 4, items: [{ id: 'CVE-10' }] })
})
