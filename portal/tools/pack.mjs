// Packs what was built (.br, .gz beside each text), and fails where a browser has
// to load too much before it shows the first page.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

/** What loading a chunk loads: itself, its styles, and what it imports. */
function loads(key, files = new Set()) {
  const chunk = manifest[key]
  if (files.has(chunk.file)) return files
  files.add(chunk.file)
  chunk.css?.forEach((file) => files.add(file))
  chunk.imports?.forEach((other) => loads(other, files))
  return files
}

// The first page that people see, in either language, and what it stands in.
const first = new Set(['index.html'])
const entry = (key) => key === 'index.html' || /^src\/lang\/zh\/common\.json$/.test(key) || /SignInPage/.test(key)
for (const key of Object.keys(manifest).filter(entry)) loads(key, first)
const total = [...first].reduce((sum, file) => sum + (packed.get(file) ?? 0), 0)
console.log(`first load: ${(total / 1000).toFixed(0)} kB packed, of ${most / 1000} kB`)
if (total > most) {
  console.error([...first].map((file) => `${packed.get(file)}\t${file}`).join('\n'))
  process.exit(1)
}
