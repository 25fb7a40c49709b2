/** A message of the administrators, as the setting banner_message has it. */
export interface Banner {
  text: string
  color: 'blue' | 'yellow' | 'red' | 'green'
}

const colors: Record<string, Banner['color']> = { warning: 'yellow', danger: 'red', success: 'green' }

/** Reads the setting: JSON with message, type and the days between which it is shown; or plain text. */
export function banner(setting: string, now: Date): Banner | undefined {
  if (!setting.trim()) return undefined
  const said = parseBanner(setting)
  const day = (field: string) => (typeof said[field] === 'string' && said[field] ? new Date(said[field]) : undefined)
  const [from, to] = [day('fromDate'), day('toDate')]
  if (typeof said['message'] !== 'string' || !said['message'] || (from && from > now) || (to && to < now)) return undefined
  return { text: said['message'], color: colors[String(said['type'])] ?? 'blue' }
}

/** The fields of the setting: those of its JSON, or its text as the message. */
export function parseBanner(setting: string): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(setting)
    if (typeof read === 'object' && read !== null) return { ...read }
  } catch {
    // It is plain text.
  }
  return { message: setting }
}
