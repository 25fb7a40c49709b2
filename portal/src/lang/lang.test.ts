import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const sources = Object.values(import.meta.glob<string>('../**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true })).join('\n')
const namespaces = readdirSync('src/lang/en').map((file) => file.replace('.json', ''))

/** The keys of a file of texts with their texts: "create.title". */
function texts(language: string, namespace: string): Map<string, string> {
  const found = new Map<string, string>()
  const walk = (part: object, path: string) => {
    for (const [key, value] of Object.entries(part)) {
      const at = path ? `${path}.${key}` : key
      if (typeof value === 'string') found.set(at, value)
      else walk(value as object, at)
    }
  }
  walk(JSON.parse(readFileSync(`src/lang/${language}/${namespace}.json`, 'utf8')) as object, '')
  return found
}

const plural = /_(zero|one|two|few|many|other)$/

test('both languages have the same files', () => {
  expect(readdirSync('src/lang/zh')).toEqual(readdirSync('src/lang/en'))
})

test('the types know every file', () => {
  const declared = [...readFileSync('src/lang/texts.d.ts', 'utf8').matchAll(/from '\.\/en\/(.+)\.json'/g)].map((m) => m[1])
  expect(declared.sort()).toEqual(namespaces)
})

test.each(namespaces)('%s has every key in both languages', (namespace) => {
  const [en, zh] = [texts('en', namespace), texts('zh', namespace)]
  const bases = (keys: Map<string, string>) => [...new Set([...keys.keys()].map((k) => k.replace(plural, '')))].sort()
  expect(bases(zh)).toEqual(bases(en))
  // English tells one from many, Chinese does not.
  for (const key of en.keys()) if (key.endsWith('_one')) expect(en.has(key.replace(/one$/, 'other')), key).toBe(true)
  for (const key of zh.keys()) if (plural.test(key)) expect(key).toMatch(/_other$/)
})

test.each(namespaces)('%s says something for every key, and of the same things', (namespace) => {
  const [en, zh] = [texts('en', namespace), texts('zh', namespace)]
  const names = (text = '') => [...text.matchAll(/{{(\w+)}}/g)].map((m) => m[1]).sort()
  for (const [key, text] of en) {
    expect(text.trim(), key).not.toBe('')
    if (zh.has(key)) expect(names(zh.get(key)), key).toEqual(names(text))
  }
  for (const [key, text] of zh) expect(text.trim(), key).not.toBe('')
})

// That every key that is used exists is for tsc to say; this says the reverse.
test.each(namespaces)('%s has no key that nothing uses', (namespace) => {
  // A key is written whole, or its last parts are: t(`tabs.${name}`).
  const used = (key: string) => {
    const parts = key.replace(plural, '').split('.')
    return parts.some((_, i) => {
      const start = parts.slice(0, parts.length - i).join('.')
      return i === 0 ? new RegExp(`['"\`:]${start.replaceAll('.', '\\.')}['"\`]`).test(sources) : sources.includes(`\`${start}.$\{`)
    })
  }
  expect([...texts('en', namespace).keys()].filter((key) => !used(key))).toEqual([])
})
