import type { Schemas } from '~/api/client'
import { cveIds } from '~/pages/interrogation/allowed'
import { dayOf, endOfDay } from '~/parts/days'

/** What a project's form has. */
export interface Settings {
  public: boolean
  cosign: boolean
  notation: boolean
  anySigner: boolean
  preventVulnerable: boolean
  severity: string
  allowUnscanned: boolean
  preventNoSbom: boolean
  auditOnly: boolean
  scanOnPush: boolean
  sbomOnPush: boolean
  sbomFormat: string // media type
  signedVex: boolean
  allowlist: 'system' | 'project'
  cves: string // as typed, one a line
  endsOn: string // a day, '' for never
  speed: string // KiB a second, '' for no limit
  connections: string // '' for no limit
  filter: string
  filterKind: string
  referrers: boolean
  localOnNotFound: boolean
}

type Project = Pick<Schemas['ProjectBody'], 'metadata' | 'cve_allowlist'>
type Metadata = NonNullable<Schemas['ProjectReq']['metadata']>

/** The form for a project as it is. */
export function settingsOf({ metadata = {}, cve_allowlist }: Project): Settings {
  const on = (value: string | null | undefined, otherwise = false) => (value ? /^(true|1)$/i.test(value) : otherwise)
  const limit = (value: string | null | undefined) => (value && value !== '-1' ? value : '')
  return {
    public: on(metadata.public),
    cosign: on(metadata.enable_content_trust_cosign),
    notation: on(metadata.enable_content_trust),
    anySigner: on(metadata.content_trust_any_signer),
    preventVulnerable: on(metadata.prevent_vul),
    severity: metadata.severity || 'low',
    allowUnscanned: on(metadata.allow_unscanned),
    preventNoSbom: on(metadata.prevent_no_sbom),
    auditOnly: on(metadata.policy_audit_only),
    scanOnPush: on(metadata.auto_scan),
    sbomOnPush: on(metadata.auto_sbom_generation),
    sbomFormat: metadata.auto_sbom_media_type || 'application/spdx+json',
    signedVex: on(metadata.vex_signed_only),
    allowlist: on(metadata.reuse_sys_cve_allowlist, true) ? 'system' : 'project',
    cves: (cve_allowlist?.items ?? []).map((i) => i.cve_id).join('\n'),
    endsOn: dayOf(cve_allowlist?.expires_at),
    speed: limit(metadata.proxy_speed_kb),
    connections: limit(metadata.max_upstream_conn),
    filter: metadata.proxy_cache_filter_pattern ?? '',
    filterKind: metadata.proxy_cache_filter_kind || 'doublestar',
    referrers: on(metadata.proxy_referrer_api),
    localOnNotFound: on(metadata.proxy_cache_local_on_not_found),
  }
}

/** What the API is sent for a form; only a cache has what is about caches. */
export function asSent(s: Settings, cache: boolean): Schemas['ProjectReq'] {
  const metadata: Metadata = {
    public: String(s.public),
    enable_content_trust_cosign: String(s.cosign),
    ...(!cache && { enable_content_trust: String(s.notation) }),
    content_trust_any_signer: String(s.anySigner),
    prevent_vul: String(s.preventVulnerable),
    severity: s.severity,
    allow_unscanned: String(s.allowUnscanned),
    prevent_no_sbom: String(s.preventNoSbom),
    policy_audit_only: String(s.auditOnly),
    auto_scan: String(s.scanOnPush),
    auto_sbom_generation: String(s.sbomOnPush),
    auto_sbom_media_type: s.sbomFormat,
    vex_signed_only: String(s.signedVex),
    reuse_sys_cve_allowlist: String(s.allowlist === 'system'),
    ...(cache && {
      proxy_speed_kb: s.speed || '-1',
      max_upstream_conn: s.connections || '-1',
      proxy_cache_filter_pattern: s.filter.trim(),
      proxy_cache_filter_kind: s.filterKind,
      proxy_referrer_api: String(s.referrers),
      proxy_cache_local_on_not_found: String(s.localOnNotFound),
    }),
  }
  // A list ends with its last day.
  const expires_at = endOfDay(s.endsOn) ?? null
  return { metadata, cve_allowlist: { items: cveIds(s.cves).map((cve_id) => ({ cve_id })), expires_at } }
}

/** Whether a text is a limit: a whole number above 0, or none. */
export function isLimit(text: string): boolean {
  return text === '' || (/^\d+$/.test(text) && Number(text) > 0 && Number(text) < 2 ** 31)
}
