import { expect, test } from 'vitest'
import { inPath, shortDigest, withoutProject } from './names'
import { clientsFor, pullCommand } from './pull'
import { goesOn, standOf } from './StatusBadge'
import { listSearch } from './useList'

test('a repository is told from its project at the first slash', () => {
  expect(withoutProject('library/a/b')).toBe('a/b')
  expect(inPath('a/b')).toBe('a%2Fb')
  expect(shortDigest(`sha256:${'0123456789abcdef'.repeat(4)}`)).toBe('0123456789ab')
})

const repository = 'r.example.org/library/app'
const digest = `sha256:${'a'.repeat(64)}`

test.each([
  ['docker', '1.0', `docker pull ${repository}:1.0`],
  ['podman', digest, `podman pull ${repository}@${digest}`],
  ['ctr', '1.0', `ctr images pull ${repository}:1.0`],
  ['helm', '1.0', `helm pull oci://${repository} --version 1.0`],
  ['helm', digest, `helm pull oci://${repository}@${digest}`],
  ['oras', '1.0', `oras pull ${repository}:1.0`],
] as const)('%s pulls %s so', (client, reference, command) => expect(pullCommand(client, repository, reference)).toBe(command))

test('charts are pulled by helm, images by engines, and the rest by oras', () => {
  expect([clientsFor('CHART')[0], clientsFor('IMAGE')[0], clientsFor('WASM')[0]]).toEqual(['helm', 'docker', 'oras'])
})

test('an address is read for what a list understands', () => {
  const read = listSearch('public')
  expect(read({ page: 3, size: 50, sort: '-name', q: 'a', public: true, other: 'x' })).toEqual({ page: 3, size: 50, sort: '-name', q: 'a', public: 'true' })
  expect(read({ page: -1, size: 1000, sort: {}, q: ['a'] })).toEqual({})
  expect(read({ page: '2', q: 7 })).toEqual({ page: 2, q: '7' })
})

test('the words for a status are one of five', () => {
  expect(['Success', 'InProgress', 'Error', 'Stopped', 'Pending', 'a new one'].map(standOf)).toEqual(['done', 'running', 'failed', 'stopped', 'waiting', 'waiting'])
  expect(goesOn(['Success', 'Error'])).toBe(false)
  expect(goesOn(['Success', 'Running'])).toBe(true)
})
