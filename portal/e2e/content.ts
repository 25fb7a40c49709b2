import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Berth } from './berth'

interface Descriptor {
  mediaType: string
  digest: string
  size: number
  platform?: object
}

/** An image to be pushed. */
export interface Image {
  layers?: Record<string, string>[] // files of each, by path
  config?: object // what the configuration has besides
  annotations?: Record<string, string>
  history?: object[]
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'

/** A folder in the form of the image specification, for crane to push. */
class Layout {
  readonly folder = mkdtempSync(join(tmpdir(), 'berth-layout-'))

  blob(mediaType: string, data: Buffer | string): Descriptor {
    const hash = createHash('sha256').update(data).digest('hex')
    mkdirSync(join(this.folder, 'blobs/sha256'), { recursive: true })
    writeFileSync(join(this.folder, 'blobs/sha256', hash), data)
    return { mediaType, digest: `sha256:${hash}`, size: Buffer.byteLength(data) }
  }

  image({ layers = [{ content: 'x' }], config = {}, annotations, history }: Image, platform = { os: 'linux', architecture: 'amd64' }): Descriptor {
    const tars = layers.map(tar)
    const manifest = {
      schemaVersion: 2, mediaType: manifestType, annotations,
      config: this.blob('application/vnd.oci.image.config.v1+json', JSON.stringify({
        ...platform, rootfs: { type: 'layers', diff_ids: tars.map((t) => `sha256:${createHash('sha256').update(t).digest('hex')}`) }, history, ...config,
      })),
      layers: tars.map((t) => this.blob('application/vnd.oci.image.layer.v1.tar', t)),
    }
    return { ...this.blob(manifestType, JSON.stringify(manifest)), platform }
  }

  /** Pushes what a descriptor describes, and returns its digest. */
  push(berth: Berth, to: string, what: Descriptor): string {
    writeFileSync(join(this.folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    writeFileSync(join(this.folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [what] }))
    berth.crane('push', this.folder, `${berth.host}/${to}`)
    rmSync(this.folder, { recursive: true })
    return what.digest
  }
}

function tar(files: Record<string, string>): Buffer {
  const work = mkdtempSync(join(tmpdir(), 'berth-layer-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(work, 'root', path)), { recursive: true })
    writeFileSync(join(work, 'root', path), text)
  }
  execFileSync('tar', ['-C', join(work, 'root'), '-cf', join(work, 'layer.tar'), '.'])
  const data = readFileSync(join(work, 'layer.tar'))
  rmSync(work, { recursive: true })
  return data
}

/** Pushes an image, and returns its digest. */
export function pushImage(berth: Berth, to: string, image: Image): string {
  const layout = new Layout()
  return layout.push(berth, to, layout.image(image))
}

/** Pushes an index of an image for each of several architectures, and returns its digest. */
export function pushIndex(berth: Berth, to: string, image: Image, architectures: string[]): string {
  const layout = new Layout()
  const manifests = architectures.map((architecture) => layout.image(image, { os: 'linux', architecture }))
  return layout.push(berth, to, layout.blob(indexType, JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests })))
}

/** The files by which a scanner knows an Alpine image and its packages: { openssl: '3.1.4-r0' }. */
export function alpine(packages: Record<string, string>, license = 'MIT'): Record<string, string> {
  const installed = Object.entries(packages).map(([name, version]) => `P:${name}\nV:${version}\nA:x86_64\nL:${license}\no:${name}\n\n`)
  return { 'etc/os-release': 'ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME="Alpine Linux v3.19"\n', 'lib/apk/db/installed': installed.join('') }
}

/** Packs a chart with Helm, and pushes it into a project with Helm. */
export function pushChart(berth: Berth, project: string, files: Record<string, string>): void {
  const work = mkdtempSync(join(tmpdir(), 'berth-chart-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(work, 'chart', path)), { recursive: true })
    writeFileSync(join(work, 'chart', path), text)
  }
  const [, name, version] = /^name: (.*)$[^]*^version: (.*)$/m.exec(files['Chart.yaml'] ?? '') ?? []
  berth.helm('package', join(work, 'chart'), '--destination', work)
  berth.helm('push', join(work, `${name}-${version}.tgz`), `oci://${berth.host}/${project}`, '--plain-http')
  rmSync(work, { recursive: true })
}

/** Has the server read its advisories, and returns when it has. */
export async function learnAdvisories(berth: Berth): Promise<void> {
  await berth.api('POST', '/system/advisories/update', {})
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    const [last] = (await berth.api('GET', '/system/advisories/update')) as { job_status: string }[]
    if (last?.job_status === 'Success') return
    if (last?.job_status === 'Error') break
    await new Promise((later) => setTimeout(later, 100))
  }
  throw new Error('the advisories were not read')
}
