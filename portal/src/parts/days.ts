// Days are those of the reader's calendar; the API has moments.

/** The day on which a moment is (seconds since 1970); '': there is none. */
export function dayOf(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return ''
  const at = new Date(seconds * 1000)
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, '0')).join('-')
}

/** The first second of a day, since 1970; undefined: it is none. */
export function startOfDay(day: string): number | undefined {
  return moment(day, 'T00:00:00')
}

/** … and its last. */
export function endOfDay(day: string): number | undefined {
  return moment(day, 'T23:59:59')
}

function moment(day: string, time: string): number | undefined {
  const at = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(day + time) : NaN
  return Number.isNaN(at) ? undefined : at / 1000
}

/** A moment as the API compares it in filters, in UTC: "2026-11-28T23:00:00". */
export function inFilter(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString().slice(0, 19)
}
