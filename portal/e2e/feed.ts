import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const attack = '<img src=x onerror="window.__xss=1"> <script>window.__xss=1</script>'

/** Advisories about packages of Alpine 3.19, as OSV's copies have them; one is hostile. */
const advisories = [
  { id: 'CVE-2026-0001', name: 'openssl', fixed: '3.1.4-r5', summary: 'A forged certificate is taken for a good one', vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
  { id: 'CVE-2026-0002', name: 'zlib', fixed: '9', summary: 'A crafted archive reads beyond its end', vector: 'CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N' },
  { id: 'CVE-2026-0003', name: 'busybox', fixed: '', summary: 'A long name overflows a buffer', vector: 'CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H' },
  { id: 'CVE-2026-0004', name: 'curl', fixed: '9.0.0-r0', summary: 'A redirect sends credentials to another host', vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:N' },
  { id: 'CVE-2026-0666', name: '<img/src=x>', fixed: '', summary: attack, vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', url: 'javascript:window.__xss=1' },
]

/** Writes a small copy of OSV's data into a folder, from which a server can take it. */
export function writeFeed(folder: string): void {
  const modified = '2026-11-01T00:00:00Z'
  const records = advisories.map(({ id, name, fixed, summary, vector, url }) => ({
    schema_version: '1.6.0', id: `ALPINE-${id}`, modified, published: modified, upstream: [id], summary,
    severity: [{ type: 'CVSS_V3', score: vector }],
    references: [{ type: 'ADVISORY', url: url ?? `https://example.org/advisories/${id}` }],
    affected: [{ package: { ecosystem: 'Alpine:v3.19', name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, ...(fixed ? [{ fixed }] : [])] }] }],
  }))
  mkdirSync(join(folder, 'Alpine'), { recursive: true })
  writeFileSync(join(folder, 'Alpine/all.zip'), zip(records.map((r) => [`${r.id}.json`, JSON.stringify(r)])))
  writeFileSync(join(folder, 'Alpine/modified_id.csv'), records.map((r) => `${r.modified},${r.id}\n`).join(''))
}

/** A zip of files, which are not packed. */
function zip(files: [name: string, text: string][]): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const [name, text] of files) {
    const [path, data] = [Buffer.from(name), Buffer.from(text)]
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0) // version, flags, method, time and date are 0 but for this
    common.writeUInt32LE(crc32(data), 10)
    common.writeUInt32LE(data.length, 14)
    common.writeUInt32LE(data.length, 18)
    common.writeUInt16LE(path.length, 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, path, data])
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(at, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, rest, path]))
    parts.push(local)
    at += local.length
  }
  const index = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(files.length, 8)
  end.writeUInt16LE(files.length, 10)
  end.writeUInt32LE(index.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, index, end])
}
