import type { Schemas } from '~/api/client'
import type { Provider, Registry } from './queries'

/** A registry, as it is entered. */
export interface Fields {
  type: string
  name: string
  description: string
  url: string
  key: string
  secret: string // '': the one that is kept
  insecure: boolean
  roots: string
}

export function fieldsOf(registry?: Registry): Fields {
  return {
    type: registry?.type ?? 'harbor',
    name: registry?.name ?? '',
    description: registry?.description ?? '',
    url: registry?.url ?? '',
    key: registry?.credential?.access_key ?? '',
    secret: '',
    insecure: registry?.insecure ?? false,
    roots: registry?.ca_certificate ?? '',
  }
}

/** What choosing a type fills in. */
export function filledFor(type: string, provider: Provider | undefined): Pick<Fields, 'type' | 'url' | 'key'> {
  const { endpoint_pattern: at, credential_pattern: as } = provider ?? {}
  return {
    type,
    url: at && at.endpoint_type !== 'EndpointPatternTypeStandard' ? (at.endpoints[0]?.value ?? '') : '',
    key: as?.access_key_type === 'AccessKeyTypeFix' ? as.access_key_data : '',
  }
}

/** Whether this is a URL that a registry may have. */
export function goodURL(url: string): boolean {
  return /^https?:\/\/[^\s/]+/i.test(url.trim())
}

/** A new registry, as the API takes it. */
export function asNew(f: Fields): Schemas['RegistryBodyInput'] {
  return {
    type: f.type, name: f.name.trim(), description: f.description, url: f.url.trim(), insecure: f.insecure, ca_certificate: f.roots,
    ...(f.key && { credential: { type: 'basic', access_key: f.key, access_secret: f.secret } }),
  }
}

/** A changed one. A secret that is not entered anew stays, unless there is no account for it. */
export function asChange(f: Fields, before: Registry): Schemas['RegistryChange'] {
  return {
    name: f.name.trim(), description: f.description, url: f.url.trim(), insecure: f.insecure, ca_certificate: f.roots,
    credential_type: before.credential?.type ?? 'basic', access_key: f.key,
    ...((f.secret || !f.key) && { access_secret: f.secret }),
  }
}

/** What to try. The secret that is kept goes nowhere but where it went before. */
export function asTrial(f: Fields, before?: Registry): Schemas['RegistryTrial'] {
  const credential = { credential_type: before?.credential?.type ?? 'basic', access_key: f.key }
  const same = before && f.url.trim() === before.url && f.insecure === before.insecure && f.roots === (before.ca_certificate ?? '')
  if (same) return { id: before.id, ...credential, ...((f.secret || !f.key) && { access_secret: f.secret }) }
  return { type: f.type, url: f.url.trim(), insecure: f.insecure, ca_certificate: f.roots, ...(f.key && { ...credential, access_secret: f.secret }) }
}
