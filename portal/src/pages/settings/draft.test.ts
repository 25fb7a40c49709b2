import { expect, test } from 'vitest'
import { changed, keyIn } from './draft'

const all = { auth_mode: { value: 'db_auth', editable: false }, token_expiration: { value: 30, editable: true }, read_only: { value: false, editable: true } }

test('only what differs and may be changed is sent', () => {
  expect(changed(all, { token_expiration: 30, read_only: true, auth_mode: 'ldap_auth', ldap_search_password: '' })).toEqual({ read_only: true })
  expect(changed(all, { ldap_search_password: 'x' })).toEqual({ ldap_search_password: 'x' })
})

test('a refusal is told at the field that it names', () => {
  expect(keyIn('invalid value: ldap_url: it must be a URL', ['ldap_uid', 'ldap_url'])).toBe('ldap_url')
  expect(keyIn('something else about ldap_url_too', ['ldap_url'])).toBeUndefined()
})
