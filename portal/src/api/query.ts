/**
 * Composes the parameter q of a list: conditions that must all hold. One whose
 * value is empty is left out; without any there is no q.
 */
export function where(...conditions: (string | undefined)[]): string | undefined {
  const q = conditions.filter(Boolean).join(',')
  // The server reads q once more than the address asks for, so that a % is kept.
  return q ? encodeURIComponent(q) : undefined
}

/** A field that contains a text, whatever the case. */
export function contains(field: string, text: string | undefined): string | undefined {
  const plain = text?.replaceAll(',', ' ').trim()
  return plain ? `${field}=~${plain}` : undefined
}

/** A field that is exactly a value. */
export function is(field: string, value: string | number | boolean | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : `${field}=${value}`
}

/** A field that lies between two values, of which one may be missing. */
export function between(field: string, low: string | number | undefined, high: string | number | undefined): string | undefined {
  return low === undefined && high === undefined ? undefined : `${field}=[${low ?? ''}~${high ?? ''}]`
}
