import { expect, test } from 'vitest'
import { between, contains, is, where } from './query'

const q = (...conditions: (string | undefined)[]) => decodeURIComponent(where(...conditions) ?? '')

test('conditions are joined, and empty ones left out', () => {
  expect(q(contains('name', 'app'), is('public', 'true'), contains('tag', '  '), is('owner', ''))).toBe('name=~app,public=true')
  expect(where(undefined, contains('name', ''))).toBeUndefined()
})

test('what is typed cannot add a condition', () => expect(q(contains('name', 'a,public=true'))).toBe('name=~a public=true'))

test('a percent sign is a letter like others', () => expect(where(contains('name', '50%'))).toBe('name%3D~50%25'))

test('a range may be open', () => expect([between('size', 1, undefined), between('size', undefined, undefined)]).toEqual(['size=[1~]', undefined]))
