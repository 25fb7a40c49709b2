// Packs what was built (.br, .gz beside each text), and fails where a browser has
// to load too much before it shows the first page.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const most = 300_000 // bytes of the first load, packed with gzip

const manifest = JSON.parse(readFileSync('dist/manifest.json', 'utf8'))
rmSync('dist/manifest.json')

const packed = new Map()
for (const file of readdirSync('dist', { recursive: true })) {
  if (!/\.(js|css|svg|html|json)$/.test(file)) continue
  const text = readFileSync(`dist/${file}`)
  const small = gzipSync(text, { level: 9 })
  packed.set(file, small.length)
  if (file === 'index.html') continue // it has a nonce in it
  writeFileSync(`dist/${file}.gz`, small)
  writeFileSync(
    `dist/${file}.br`,
    brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  )
}

/** What loading a chunk loads: itself, its styles, their fonts, and what it imports. */
function loads(key, files = new Set()) {
  const chunk = manifest[key]
  if (files.has(chunk.file)) return files
  files.add(chunk.file)
  for (const file of [...(chunk.css ?? []), ...(chunk.assets ?? [])]) files.add(file)
  chunk.imports?.forEach((other) => loads(other, files))
  return files
}

/** What a browser loads to show a page for the first time, in Chinese, which has more to say. */
function firstLoad(page) {
  const needed = ['index.html', 'src/app/Shell.tsx', page, ...Object.keys(manifest).filter((key) => /^src\/lang\/zh\/(common|parts|projects|signin)/.test(key))]
  const files = needed.reduce((all, key) => loads(key, all), new Set(['index.html', 'berth.svg']))
  return [...files].map((file) => [packed.get(file) ?? statSync(`dist/${file}`).size, file])
}

for (const page of ['src/pages/signin/SignInPage.tsx', 'src/pages/projects/ProjectsPage.tsx']) {
  const files = firstLoad(page)
  const total = files.reduce((sum, [size]) => sum + size, 0)
  console.log(`first load of ${page}: ${(total / 1000).toFixed(0)} kB packed, of ${most / 1000} kB`)
  if (total > most) {
    console.error(files.sort(([a], [b]) => b - a).map((file) => file.join('\t')).join('\n'))
    process.exitCode = 1
  }
}
