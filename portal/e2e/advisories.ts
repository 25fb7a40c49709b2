import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Berth } from './berth'

/** What is known of a package of Alpine 3.19: below which version it has a vulnerability. */
interface Known {
  cve: string
  name: string
  fixed: string
  vector: string // of CVSS 3
}

const critical = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'
const low = 'CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N'

export const known: Known[] = [
  { cve: 'CVE-2026-0001', name: 'openssl', fixed: '3.1.4-r5', vector: critical },
  { cve: 'CVE-2026-0002', name: 'zlib', fixed: '1.3-r9', vector: low },
]

/** Makes a folder of advisories in OSV's layout, for BERTH_ADVISORIES_SOURCE. */
export function advisoryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-osv-'))
  const modified = '2026-01-02T03:04:05Z'
  const records = known.map(({ cve, name, fixed, vector }) => ({
    schema_version: '1.6.0', id: `ALPINE-${cve}`, modified, published: modified, upstream: [cve], summary: `A flaw in ${name}`,
    severity: [{ type: 'CVSS_V3', score: vector }],
    affected: [{ package: { ecosystem: 'Alpine:v3.19', name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }] }],
  }))
  mkdirSync(join(folder, 'Alpine'))
  writeFileSync(join(folder, 'Alpine', 'all.zip'), zip(Object.fromEntries(records.map((r) => [`${r.id}.json`, JSON.stringify(r)]))))
  writeFileSync(join(folder, 'Alpine', 'modified_id.csv'), records.map((r) => `${modified},${r.id}\n`).join(''))
  return folder
}

/** Pushes an image of Alpine with packages that are known to have something. */
export function pushVulnerable(berth: Berth, image: string): void {
  const packages = [['openssl', '3.1.4-r0'], ['zlib', '1.3-r2'], ['musl', '1.2.4-r0']]
  berth.pushFiles(image, {
    'etc/os-release': 'ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME="Alpine Linux v3.19"\n',
    'lib/apk/db/installed': packages.map(([name, version]) => `P:${name}\nV:${version}\nA:x86_64\nL:MIT\no:${name}\n\n`).join(''),
    name: image,
  })
}

/** A zip archive of texts, not packed. */
function zip(files: Record<string, string>): Buffer {
  const [parts, directory]: [Buffer[], Buffer[]] = [[], []]
  let at = 0
  for (const [name, text] of Object.entries(files)) {
    const [title, content] = [Buffer.from(name), Buffer.from(text)]
    const facts = Buffer.alloc(26) // as both headers have them
    facts.writeUInt16LE(20, 0)
    facts.writeUInt32LE(crc32(content), 10)
    facts.writeUInt32LE(content.length, 14)
    facts.writeUInt32LE(content.length, 18)
    facts.writeUInt16LE(title.length, 22)
    parts.push(Buffer.from('PK\x03\x04', 'latin1'), facts, title, content)
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(at, 10)
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), facts, rest, title)
    at += 30 + title.length + content.length
  }
  const entries = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(Object.keys(files).length, 8)
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(entries.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, entries, end])
}
