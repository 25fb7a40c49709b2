import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const sources = import.meta.glob<string>('../**/*.tsx', { query: '?raw', import: 'default', eager: true })
const styles = 'node_modules/@mantine/core/styles'

test('the styles of every component that is used are loaded', () => {
  const loaded = readFileSync('src/app/mantine.css', 'utf8')
  const used = new Set<string>()
  for (const source of Object.values(sources)) {
    const [, names = ''] = /import \{([^}]*)\} from '@mantine\/core'/.exec(source) ?? []
    for (const name of names.split(',')) used.add(name.trim())
  }
  const missing = [...used].filter((name) => existsSync(`${styles}/${name}.css`) && !loaded.includes(`/${name}.css`))
  expect(missing).toEqual([])
  expect(used.size).toBeGreaterThan(10)
})
