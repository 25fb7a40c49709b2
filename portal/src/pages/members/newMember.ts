import type { Schemas } from '~/api/client'
import type { Found } from './queries'

/**
 * What the API is sent for a name as it was typed. A user whom the search did not
 * find is sent by name, since the server may know of them elsewhere; so is a group,
 * which may also be a DN of the directory.
 */
export function newMember(kind: 'user' | 'group', typed: string, role: number, found: Found[]): Schemas['NewMember'] {
  const name = typed.trim()
  if (kind === 'user') return { role_id: role, member_user: { username: name } }
  if (name.includes('=')) return { role_id: role, member_group: { ldap_group_dn: name } }
  const known = found.find((g) => g.name === name)
  return { role_id: role, member_group: known ? { id: known.id } : { group_name: name } }
}
