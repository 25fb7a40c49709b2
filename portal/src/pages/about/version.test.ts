import { expect, test } from 'vitest'
import { versions } from './version'

test('a version has two parts', () => {
  expect(versions('v2.14.0-1.2.3-4-gabc')).toEqual({ api: '2.14.0', own: '1.2.3-4-gabc' })
  expect(versions('v2.14.0-dev')).toEqual({ api: '2.14.0', own: 'dev' })
})

test('strangers are told of none', () => expect(versions(undefined)).toBeUndefined())
