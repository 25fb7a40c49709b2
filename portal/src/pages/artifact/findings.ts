import type { Page } from '~/api/client'
import { severities } from '~/parts/SeverityBar'
import { isRecord, listField, numberField, textField, textsField } from './values'

/** A vulnerability that was found in a package. */
export interface Finding {
  id: string
  package: string
  version: string
  fixed: string // the first version without it; '': none is known
  severity: string
  status: string
  description: string
  links: string[]
  images: string[] // of an index: in which of its images
  layers: string[]
  score?: number
  vector: string
  cwes: string[]
  exploited: string // since when it is known to be exploited; '': it is not
  epss?: number // how likely it is to be exploited soon, from 0 to 1
  vex: { status: string; justification: string; impact: string; author: string } | undefined
}

export interface Report {
  generated: string
  scanner: string
  findings: Finding[]
}

/** Reads a report out of the answer, which has it by its media type; undefined: there is none. */
export function readReport(document: unknown): Report | undefined {
  const report = isRecord(document) ? Object.values(document)[0] : undefined
  if (!isRecord(report)) return undefined
  const scanner = report['scanner']
  return {
    generated: textField(report, 'generated_at'),
    scanner: [textField(scanner, 'name'), textField(scanner, 'version')].filter(Boolean).join(' '),
    findings: listField(report, 'vulnerabilities').map(readFinding),
  }
}

function readFinding(v: unknown): Finding {
  const [cvss, vendor] = isRecord(v) ? [v['preferred_cvss'], v['vendor_attributes']] : []
  const vex = isRecord(vendor) ? vendor['vex'] : undefined
  return {
    id: textField(v, 'id'), package: textField(v, 'package'), version: textField(v, 'version'), fixed: textField(v, 'fix_version'),
    severity: textField(v, 'severity'), status: textField(v, 'status'), description: textField(v, 'description'),
    links: textsField(v, 'links'), images: textsField(v, 'artifact_digests'), layers: textsField(v, 'layer_digests'),
    score: numberField(cvss, 'score_v3') ?? numberField(cvss, 'score_v2'), vector: textField(cvss, 'vector_v3') || textField(cvss, 'vector_v2'),
    cwes: textsField(v, 'cwe_ids'), exploited: textField(vendor, 'kev_date_added'), epss: numberField(vendor, 'epss_score'),
    vex: isRecord(vex) ? { status: textField(vex, 'status'), justification: textField(vex, 'justification'), impact: textField(vex, 'impact_statement'), author: textField(vex, 'author') } : undefined,
  }
}

/** How bad a severity is; the worst is the highest. */
export function rank(severity: string): number {
  const at = severities.findIndex((s) => s === severity)
  return at < 0 ? 0 : severities.length - at
}

interface Wanted {
  q: string
  severity: string
  fixable: boolean
  sort: string
  page: number
  size: number
}

const orders: Record<string, (a: Finding, b: Finding) => number> = {
  severity: (a, b) => rank(a.severity) - rank(b.severity) || (a.score ?? 0) - (b.score ?? 0),
  score: (a, b) => (a.score ?? 0) - (b.score ?? 0),
  id: (a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }),
  package: (a, b) => a.package.localeCompare(b.package, 'en'),
}

/** The findings that are asked for, in the order and of the page that is asked for. */
export function choose(all: Finding[], wanted: Wanted): Page<Finding> {
  const text = wanted.q.trim().toLowerCase()
  const found = all.filter(
    (f) =>
      (!wanted.severity || f.severity === wanted.severity) &&
      (!wanted.fixable || f.fixed !== '') &&
      (!text || [f.id, f.package, f.description].some((s) => s.toLowerCase().includes(text))),
  )
  const order = orders[wanted.sort.replace('-', '')]
  if (order) found.sort((a, b) => (wanted.sort.startsWith('-') ? order(b, a) : order(a, b)) || a.id.localeCompare(b.id) || a.package.localeCompare(b.package))
  return { items: found.slice((wanted.page - 1) * wanted.size, wanted.page * wanted.size), total: found.length }
}
