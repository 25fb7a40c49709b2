import type { Berth } from './berth'
import { alpine, learnAdvisories, pushChart, pushImage, pushIndex } from './content'
import type { Shown } from './pages'

const at = '/projects/shipyard/repositories'
const image = `${at}/tide%2Fgauge/artifacts/2.1.0`

/** The pages of repositories, artifacts and searches, with what there must be. */
export const artifactPages: Shown[] = [
  { name: 'repository', path: `${at}/tide%2Fgauge`, wait: '2.1.0' },
  { name: 'artifact', path: image, wait: 'org.opencontainers.image.source' },
  { name: 'artifact-tags', path: `${image}/tags`, wait: 'stable' },
  { name: 'artifact-vulnerabilities', path: `${image}/vulnerabilities`, wait: 'CVE-2026-0001' },
  { name: 'artifact-unscanned', path: `${at}/plain/artifacts/1/vulnerabilities` },
  { name: 'artifact-sbom', path: `${image}/sbom`, wait: 'pkg:apk' },
  { name: 'artifact-history', path: `${image}/history`, wait: 'apk add' },
  { name: 'artifact-signatures', path: `${image}/accessories`, wait: 'cosign' },
  { name: 'artifact-index', path: `${at}/multi/artifacts/3`, wait: 'linux/arm64' },
  { name: 'artifact-chart', path: `${at}/beacon/artifacts/0.3.1/content`, wait: 'replicas' },
  { name: 'search', path: '/search?q=g', wait: 'shipyard/tide/gauge' },
]

const packages = { openssl: '3.1.4-r0', zlib: '1.3.1-r0', busybox: '1.36.1-r15', curl: '8.5.0-r0', musl: '1.2.4-r2', 'ca-certificates': '20230506-r0' }

/** An image with as much to say of itself as one has. */
export const richImage = {
  layers: [alpine(packages), { 'srv/gauge': 'g'.repeat(90_000) }, { 'etc/gauge.conf': 'port 8080\n' }],
  annotations: { 'org.opencontainers.image.source': 'https://example.org/shipyard/gauge', 'org.opencontainers.image.revision': '4f6a1c0' },
  config: {
    created: '2026-10-01T08:00:00Z', author: 'The shipyard',
    config: { Env: ['PATH=/usr/bin:/bin', 'PORT=8080'], Cmd: ['/srv/gauge'], ExposedPorts: { '8080/tcp': {} }, WorkingDir: '/srv', User: '1000', Labels: { maintainer: 'shipyard@example.org' } },
  },
  history: [
    { created: '2026-09-30T08:00:00Z', created_by: '/bin/sh -c apk add --no-cache openssl zlib busybox curl ca-certificates' },
    { created: '2026-10-01T08:00:00Z', created_by: 'ENV PORT=8080', empty_layer: true },
    { created: '2026-10-01T08:00:00Z', created_by: 'COPY gauge /srv/gauge # buildkit', comment: 'buildkit.dockerfile.v0' },
    { created: '2026-10-01T08:00:00Z', created_by: 'COPY gauge.conf /etc/gauge.conf # buildkit', comment: 'buildkit.dockerfile.v0' },
    { created: '2026-10-01T08:00:00Z', created_by: 'CMD ["/srv/gauge"]', empty_layer: true },
  ],
}

/** Waits until something that is asked for of an artifact is done. */
export async function examined(berth: Berth, artifact: string, kind: 'scan_overview' | 'sbom_overview'): Promise<void> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    const said = JSON.stringify(((await berth.api('GET', `${artifact}?with_scan_overview=true&with_sbom_overview=true`)) as Record<string, unknown>)[kind] ?? {})
    if (said.includes('"Success"')) return
    await new Promise((later) => setTimeout(later, 100))
  }
  throw new Error(`${artifact}: nobody looked into it`)
}

export async function furnishArtifacts(berth: Berth): Promise<void> {
  await berth.createProject('shipyard', true)
  const digest = pushImage(berth, 'shipyard/tide/gauge:2.1.0', richImage)
  for (const tag of ['2.1', 'stable']) berth.crane('tag', `${berth.host}/shipyard/tide/gauge:2.1.0`, tag)
  berth.push('shipyard/tide/gauge:2.0.4')
  berth.push('shipyard/plain:1')
  pushIndex(berth, 'shipyard/multi:3', richImage, ['amd64', 'arm64', 's390x'])
  pushChart(berth, 'shipyard', {
    'Chart.yaml': 'apiVersion: v2\nname: beacon\ndescription: Lights the way\nversion: 0.3.1\nappVersion: "2.1.0"\n',
    'values.yaml': 'replicas: 2\nimage:\n  repository: shipyard/tide/gauge\n  tag: 2.1.0\n',
    'README.md': '# Beacon\n\nLights the way into the *harbour*.\n\n| Key | Default |\n|---|---|\n| `replicas` | 2 |\n\nMore at <https://example.org/beacon>.\n',
  })
  const api = '/projects/shipyard/repositories/tide%252Fgauge'
  await berth.api('PUT', api, { description: 'Reads the **tide gauges** of the harbour, and tells who asks.\n\n- one reading a minute\n- [manual](https://example.org/gauge)' })
  await berth.api('POST', '/labels', { name: 'seaworthy', color: '#1d8a4d', scope: 'g', description: 'May be shipped' })
  const [label] = (await berth.api('GET', '/labels?scope=g&name=seaworthy')) as { id: number }[]
  const artifact = `${api}/artifacts/${digest}`
  await berth.api('POST', `${artifact}/labels`, { id: label?.id })
  await learnAdvisories(berth)
  await berth.api('POST', `${artifact}/scan`, {})
  await berth.api('POST', `${artifact}/scan`, { scan_type: 'sbom' })
  berth.run('cosign', 'generate-key-pair')
  berth.run('cosign', 'sign', '--yes', '--tlog-upload=false', '--allow-http-registry', '--allow-insecure-registry', '--key', 'cosign.key', `${berth.host}/shipyard/tide/gauge@${digest}`)
  await examined(berth, artifact, 'scan_overview')
  await examined(berth, artifact, 'sbom_overview')
}
