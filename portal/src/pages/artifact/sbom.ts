import type { Page } from '~/api/client'
import { isRecord, listField, textField } from './values'

/** A package of an inventory. */
export interface Package {
  name: string
  version: string
  license: string
  purl: string
}

export interface Inventory {
  format: string // "SPDX 2.3"
  packages: Package[]
}

/** Reads an inventory in the form of SPDX, or of CycloneDX. */
export function readInventory(document: unknown): Inventory {
  const spdx = textField(document, 'spdxVersion')
  if (spdx) return { format: spdx.replace('-', ' '), packages: spdxPackages(document) }
  const cyclone = textField(document, 'bomFormat') === 'CycloneDX'
  return { format: cyclone ? `CycloneDX ${textField(document, 'specVersion')}` : '', packages: cyclone ? listField(document, 'components').map(ofCyclone) : [] }
}

function spdxPackages(document: unknown): Package[] {
  // What the document is about is no package in it.
  const described = new Set([
    ...listField(document, 'documentDescribes'),
    ...listField(document, 'relationships').filter((r) => textField(r, 'relationshipType') === 'DESCRIBES').map((r) => textField(r, 'relatedSpdxElement')),
  ])
  return listField(document, 'packages').filter((p) => !described.has(textField(p, 'SPDXID'))).map(ofSpdx)
}

function ofSpdx(p: unknown): Package {
  const said = (field: string) => textField(p, field).replace(/^NO(?:ASSERTION|NE)$/, '')
  const purl = listField(p, 'externalRefs').find((r) => textField(r, 'referenceType') === 'purl')
  return { name: textField(p, 'name'), version: textField(p, 'versionInfo'), license: said('licenseConcluded') || said('licenseDeclared'), purl: textField(purl, 'referenceLocator') }
}

function ofCyclone(c: unknown): Package {
  const licenses = listField(c, 'licenses').map((l) => {
    const license = isRecord(l) ? l['license'] : undefined
    return textField(l, 'expression') || textField(license, 'id') || textField(license, 'name')
  })
  return { name: textField(c, 'name'), version: textField(c, 'version'), license: licenses.filter(Boolean).join(', '), purl: textField(c, 'purl') }
}

interface Wanted {
  q: string
  sort: string
  page: number
  size: number
}

/** The packages that are asked for, in the order and of the page that is asked for. */
export function choosePackages(all: Package[], { q, sort, page, size }: Wanted): Page<Package> {
  const text = q.trim().toLowerCase()
  const found = all.filter((p) => !text || [p.name, p.license, p.purl].some((s) => s.toLowerCase().includes(text)))
  const field = sort.replace('-', '') === 'license' ? 'license' : 'name'
  const way = sort.startsWith('-') ? -1 : 1
  found.sort((a, b) => way * (a[field].localeCompare(b[field], 'en') || a.version.localeCompare(b.version, 'en', { numeric: true })))
  return { items: found.slice((page - 1) * size, page * size), total: found.length }
}
