/** The ids in a text, with spaces, commas or lines between them, each once, as it stands there first. */
export function cveIds(text: string): string[] {
  const found = new Map<string, string>()
  for (const id of text.split(/[\s,;]+/)) if (id && !found.has(id.toLowerCase())) found.set(id.toLowerCase(), id)
  return [...found.values()]
}

/** The day of the reader's calendar on which a moment is (seconds since 1970); '': there is none. */
export function dayOf(seconds: number | null): string {
  if (seconds === null) return ''
  const at = new Date(seconds * 1000)
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, '0')).join('-')
}

/** The end of such a day; undefined: it is none. */
export function endOfDay(day: string): number | undefined {
  const at = Date.parse(`${day}T23:59:59`)
  return Number.isNaN(at) ? undefined : at / 1000
}
