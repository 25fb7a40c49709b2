import { expect, test } from 'vitest'
import { choosePackages, readInventory } from './sbom'

const spdx = {
  spdxVersion: 'SPDX-2.3',
  packages: [
    { SPDXID: 'root', name: 'image' },
    { SPDXID: 'a', name: 'zlib', versionInfo: '1.3', licenseConcluded: 'NOASSERTION', licenseDeclared: 'Zlib', externalRefs: [{ referenceType: 'purl', referenceLocator: 'pkg:apk/alpine/zlib@1.3' }] },
    { SPDXID: 'b', name: 'openssl', licenseDeclared: 'NONE' },
    7,
  ],
  relationships: [{ relationshipType: 'DESCRIBES', relatedSpdxElement: 'root' }],
}

test('packages are read of SPDX', () => {
  const { format, packages } = readInventory(spdx)
  expect(format).toBe('SPDX 2.3')
  expect(packages).toEqual([
    { name: 'zlib', version: '1.3', license: 'Zlib', purl: 'pkg:apk/alpine/zlib@1.3' },
    { name: 'openssl', version: '', license: '', purl: '' },
    { name: '', version: '', license: '', purl: '' },
  ])
})

test('packages are read of CycloneDX', () => {
  const components = [{ name: 'x', version: '2', purl: 'pkg:npm/x@2', licenses: [{ license: { id: 'MIT' } }, { expression: 'A OR B' }] }]
  expect(readInventory({ bomFormat: 'CycloneDX', specVersion: '1.5', components })).toEqual({
    format: 'CycloneDX 1.5', packages: [{ name: 'x', version: '2', license: 'MIT, A OR B', purl: 'pkg:npm/x@2' }],
  })
})

test('what is neither has none', () => expect(readInventory([1])).toEqual({ format: '', packages: [] }))

test('packages are searched, ordered and divided into pages', () => {
  const { packages } = readInventory(spdx)
  const names = (change: object) => choosePackages(packages, { q: '', sort: 'name', page: 1, size: 2, ...change }).items.map((p) => p.name)
  expect(names({})).toEqual(['', 'openssl'])
  expect(names({ page: 2 })).toEqual(['zlib'])
  expect(names({ sort: '-name' })).toEqual(['zlib', 'openssl'])
  expect(names({ q: 'ZLIB' })).toEqual(['zlib'])
})
