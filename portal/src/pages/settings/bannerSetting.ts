import { parseBanner } from '~/app/banner'

export const bannerTypes = ['info', 'warning', 'danger', 'success'] as const

/** A message for everybody, as it is filled in. */
export interface Banner {
  message: string
  type: (typeof bannerTypes)[number]
  from: string // the first day; '': at once
  to: string // the last day; '': until it is taken away
}

/** Reads the setting: JSON, or a plain text. */
export function readBanner(setting: string): Banner {
  const said = parseBanner(setting)
  const text = (name: string) => (typeof said[name] === 'string' ? said[name] : '')
  const type = bannerTypes.find((one) => one === said['type']) ?? 'info'
  return { message: text('message'), type, from: day(text('fromDate')), to: day(text('toDate')) }
}

/** Writes the setting; without a message there is none. */
export function writeBanner({ message, type, from, to }: Banner): string {
  if (!message.trim()) return ''
  return JSON.stringify({ closable: false, message, type, fromDate: from, toDate: to })
}

/** A day as a field for days has it. */
function day(text: string): string {
  const at = new Date(text)
  return text && !Number.isNaN(at.getTime()) ? at.toISOString().slice(0, 10) : ''
}
