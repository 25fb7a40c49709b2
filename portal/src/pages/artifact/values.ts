/** What an artifact says of itself is of whatever form: this makes it of one that can be shown. */
export type Value = { kind: 'text'; text: string } | { kind: 'lines'; lines: string[] } | { kind: 'json'; text: string }

const scalar = (v: unknown): v is string | number | boolean => typeof v === 'string' || typeof v === 'number' || typeof v === 'boolean'

/** How a value is shown; undefined: there is nothing to show. */
export function valueOf(v: unknown): Value | undefined {
  if (scalar(v)) return String(v) === '' ? undefined : { kind: 'text', text: String(v) }
  if (Array.isArray(v)) {
    if (v.length === 0) return undefined
    return v.every(scalar) ? { kind: 'lines', lines: v.map(String) } : { kind: 'json', text: JSON.stringify(v, null, 2) }
  }
  if (!isRecord(v) || Object.keys(v).length === 0) return undefined
  // A set, as {"8080/tcp": {}}.
  if (Object.values(v).every((inner) => isRecord(inner) && Object.keys(inner).length === 0)) return { kind: 'lines', lines: Object.keys(v) }
  return Object.values(v).every(scalar)
    ? { kind: 'lines', lines: Object.entries(v).map(([k, inner]) => `${k}=${String(inner)}`) }
    : { kind: 'json', text: JSON.stringify(v, null, 2) }
}

export function isRecord(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v)
}

/** A field of something unknown, where it is a text. */
export function textField(v: unknown, field: string): string {
  const found = isRecord(v) ? v[field] : undefined
  return typeof found === 'string' ? found : ''
}

/** A field of something unknown, where it is a number. */
export function numberField(v: unknown, field: string): number | undefined {
  const found = isRecord(v) ? v[field] : undefined
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined
}

/** A field of something unknown, where it is a list. */
export function listField(v: unknown, field: string): unknown[] {
  const found = isRecord(v) ? v[field] : undefined
  return Array.isArray(found) ? found : []
}

/** The texts in a list of something unknown. */
export function textsField(v: unknown, field: string): string[] {
  return listField(v, field).filter((inner) => typeof inner === 'string')
}
