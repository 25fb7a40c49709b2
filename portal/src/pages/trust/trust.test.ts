import { expect, test } from 'vitest'
import { isPrivate, kindOf } from './kinds'
import { asSent } from './queries'

const fields = { name: ' ci ', description: '', content: 'PEM', timestamps: 'clock', identities: [{ issuer: 'https://i', subject: ' s ' }] }

test.each([
  ['key', {}],
  ['authority', { timestamps: 'clock', identities: [{ subject: 's' }] }],
  ['keyless', { identities: [{ issuer: 'https://i', subject: 's' }] }],
  ['notation', { timestamps: 'clock', identities: [{ subject: 's' }] }],
])('of %s only what it has is sent', (kind, rest) => expect(asSent({ ...fields, kind })).toEqual({ name: 'ci', description: '', kind, content: 'PEM', ...rest }))

test('timestamps that are empty are none', () => expect(asSent({ ...fields, kind: 'authority', timestamps: ' ' })).not.toHaveProperty('timestamps'))

test('a private key is known', () =>
  expect(['-----BEGIN PRIVATE KEY-----', '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----', '-----BEGIN PUBLIC KEY-----'].map(isPrivate)).toEqual([true, true, false]))

test('a kind that is new has the fields of the first', () => expect(kindOf('new').name).toBe('key'))
