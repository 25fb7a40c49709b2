import type { Target } from './queries'

/** Whether something can be sent to an address. */
export function isAddress(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
}

/** A target as the API takes it: one of Slack has a form of its own, and needs no header. */
export function asSent({ auth_header, payload_format, ...target }: Target): Target {
  const header = auth_header ? { auth_header } : {}
  return target.type === 'slack' ? { ...target, ...header } : { ...target, ...header, payload_format: payload_format || 'Default' }
}
