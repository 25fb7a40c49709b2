import { expect, test } from 'vitest'
import { everyProject, grantsOf, permissionsOf, system, whole } from './grants'

const catalogue = { system: [{ resource: 'user', action: 'list' }], project: [{ resource: 'repository', action: 'pull' }, { resource: 'repository', action: 'push' }] }
const permissions = [
  { kind: 'system', namespace: '/', access: [{ resource: 'user', action: 'list' }] },
  { kind: 'project', namespace: 'a', access: [{ resource: 'repository', action: 'pull' }] },
  { kind: 'project', namespace: 'b', access: [{ resource: 'repository', action: 'push' }] },
]

test('permissions that differ by project come back as they were', () => {
  expect(permissionsOf(grantsOf(permissions), catalogue)).toEqual(permissions)
})

test('the system and every project can always be granted something', () => {
  expect([...grantsOf([]).keys()]).toEqual([system, everyProject])
})

test('a project by name needs a permission, and a robot one at all', () => {
  expect(whole(grantsOf([]))).toBe(false)
  expect(whole(grantsOf(permissions))).toBe(true)
  expect(whole(new Map([...grantsOf(permissions), ['c', new Set<string>()]]))).toBe(false)
})
