import type { Key } from './queries'

/** A setting as a form shows it. Its texts are field.KEY and hint.KEY of settings.json. */
export interface Field {
  key: keyof typeof import('~/lang/en/settings.json')['field'] & Key
  kind: 'text' | 'long' | 'secret' | 'switch' | 'number' | 'bytes' | 'choice'
  options?: { value: string; label: OptionKey }[] // of a choice
  least?: number // of a number
  most?: number
}

type OptionKey = keyof typeof import('~/lang/en/settings.json')['option']

const scopes: Field['options'] = [{ value: '0', label: 'base' }, { value: '1', label: 'one' }, { value: '2', label: 'subtree' }]
const longest = 9_999_999_999 // of a time, as the API has it

export const signIn: Field[] = [
  { key: 'auth_mode', kind: 'choice', options: [{ value: 'db_auth', label: 'database' }, { value: 'ldap_auth', label: 'ldap' }] },
  { key: 'self_registration', kind: 'switch' },
]

export const directory: Field[] = [
  { key: 'ldap_url', kind: 'text' },
  { key: 'ldap_start_tls', kind: 'switch' },
  { key: 'ldap_verify_cert', kind: 'switch' },
  { key: 'ldap_ca_certificate', kind: 'long' },
  { key: 'ldap_search_dn', kind: 'text' },
  { key: 'ldap_search_password', kind: 'secret' },
  { key: 'ldap_base_dn', kind: 'text' },
  { key: 'ldap_filter', kind: 'text' },
  { key: 'ldap_uid', kind: 'text' },
  { key: 'ldap_scope', kind: 'choice', options: scopes },
  { key: 'ldap_timeout', kind: 'number', least: 1, most: 600 },
]

export const groups: Field[] = [
  { key: 'ldap_group_base_dn', kind: 'text' },
  { key: 'ldap_group_search_filter', kind: 'text' },
  { key: 'ldap_group_attribute_name', kind: 'text' },
  { key: 'ldap_group_search_scope', kind: 'choice', options: scopes },
  { key: 'ldap_group_membership_attribute', kind: 'text' },
  { key: 'ldap_group_admin_dn', kind: 'text' },
]

export const access: Field[] = [
  { key: 'project_creation_restriction', kind: 'choice', options: [{ value: 'everyone', label: 'everyone' }, { value: 'adminonly', label: 'admins' }] },
  { key: 'token_expiration', kind: 'number', least: 1, most: longest },
  { key: 'session_timeout', kind: 'number', least: 1, most: longest },
  { key: 'robot_name_prefix', kind: 'text' },
  { key: 'robot_token_duration', kind: 'number', least: 1, most: longest },
  { key: 'notification_enable', kind: 'switch' },
  { key: 'read_only', kind: 'switch' },
]

export const storage: Field[] = [
  { key: 'quota_per_project_enable', kind: 'switch' },
  { key: 'storage_per_project', kind: 'bytes' },
]

export const pulls: Field[] = [
  { key: 'pull_time_update_disable', kind: 'switch' },
  { key: 'pull_count_update_disable', kind: 'switch' },
  { key: 'scanner_skip_update_pulltime', kind: 'switch' },
]

export const audit: Field[] = [
  { key: 'audit_log_forward_endpoint', kind: 'text' },
  { key: 'skip_audit_log_database', kind: 'switch' },
  { key: 'pull_audit_log_disable', kind: 'switch' },
]
