const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** A number of bytes with three digits or so: "1.5 GiB". */
export function bytes(n: number, language: string): string {
  const power = n > 0 ? Math.min(Math.floor(Math.log2(n) / 10), units.length - 1) : 0
  const value = n / 1024 ** power
  const digits = power === 0 || value >= 100 ? 0 : 1
  return `${value.toLocaleString(language, { maximumFractionDigits: digits })} ${units[power]}`
}

/** Reads what people write for a number of bytes: "1.5 GiB", "20G", "-1"; NaN: nothing of the kind. */
export function parseBytes(text: string): number {
  const [, number, unit = ''] = /^\s*(-?\d+(?:[.,]\d+)?)\s*([kmgtpe]?)(?:i?b)?\s*$/i.exec(text) ?? []
  if (number === undefined) return NaN
  return Math.round(Number(number.replace(',', '.')) * 1024 ** ' kmgtpe'.indexOf(unit.toLowerCase() || ' '))
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600], ['month', 2_629_800], ['week', 604_800], ['day', 86_400], ['hour', 3_600], ['minute', 60],
]

/** How far a moment is from now, in words: "3 days ago". */
export function ago(moment: Date, now: Date, language: string): string {
  const seconds = (moment.getTime() - now.getTime()) / 1000
  const words = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit)
  }
  return words.format(0, 'second')
}

/** A moment as the API sends it; undefined: there was none. */
export function moment(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '')
  // The API sends the first day of the year 1 for what has not happened.
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1971 ? undefined : date
}

/** A length of time in words: "2 min 5 s". */
export function duration(seconds: number, language: string): string {
  const say = (value: number, unit: 'hour' | 'minute' | 'second') =>
    value.toLocaleString(language, { style: 'unit', unit, unitDisplay: 'short' })
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  if (h > 0) return `${say(h, 'hour')} ${say(m, 'minute')}`
  return m > 0 ? `${say(m, 'minute')} ${say(s, 'second')}` : say(s, 'second')
}
