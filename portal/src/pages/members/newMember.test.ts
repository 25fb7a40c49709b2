import { expect, test } from 'vitest'
import { newMember } from './newMember'

const staff = [{ id: 7, name: 'staff' }]

test('a user goes by name, found or not', () => expect(newMember('user', ' alice ', 2, [])).toEqual({ role_id: 2, member_user: { username: 'alice' } }))

test.each([
  ['staff', { id: 7 }],
  ['others', { group_name: 'others' }],
  ['cn=staff,dc=example,dc=com', { ldap_group_dn: 'cn=staff,dc=example,dc=com' }],
])('the group %s', (typed, group) => expect(newMember('group', typed, 4, staff)).toEqual({ role_id: 4, member_group: group }))
