/** When work is done: as the API's schedules have it. */
export interface Schedule {
  type: 'Hourly' | 'Daily' | 'Weekly' | 'Custom' | 'Manual' | 'None'
  cron: string // second, minute, hour, day of month, month, day of week, in UTC; '' for Manual and None
}

/** The crons of the types that have one of their own. */
const usual = { Hourly: '0 0 * * * *', Daily: '0 0 0 * * *', Weekly: '0 0 0 * * 0' } as const

/** The schedule of a type. Custom begins with what was there before. */
export function scheduleFor(type: Schedule['type'], before = ''): Schedule {
  if (type === 'Custom') return { type, cron: before || usual.Daily }
  return { type, cron: type === 'Manual' || type === 'None' ? '' : usual[type] }
}

/** The schedule of a cron, for what keeps nothing but that; none: None. */
export function scheduleOf(cron: string | undefined): Schedule {
  const plain = cron?.trim().replace(/\s+/g, ' ') ?? ''
  if (!plain) return { type: 'None', cron: '' }
  const [type = 'Custom'] = Object.entries(usual).find(([, c]) => c === plain) ?? []
  return { type: type as Schedule['type'], cron: plain }
}

/** Whether a schedule can be sent as it is. */
export function validSchedule({ type, cron }: Schedule): boolean {
  return type === 'Manual' || type === 'None' || nextRuns(cron, new Date(), 1).length === 1
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

interface Field {
  from: number
  to: number
  names?: string[] // of values, beginning at from
}

const fields: Field[] = [
  { from: 0, to: 59 }, { from: 0, to: 59 }, { from: 0, to: 23 }, { from: 1, to: 31 }, { from: 1, to: 12, names: months }, { from: 0, to: 6, names: days },
]

interface Values {
  list: number[]
  any: boolean // it says * or ?, and so leaves the choice to other fields
}

/** Reads one field, such as "1-5/2,10"; undefined: it is none. */
function readField(text: string, field: Field): Values | undefined {
  const found = new Set<number>()
  let any = false
  for (const part of text.split(',')) {
    const [, range = '', step] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? []
    const every = Number(step ?? 1)
    const ends = rangeOf(range, field, step !== undefined)
    if (!ends || every === 0) return undefined
    if (range === '*' || range === '?') any ||= every === 1
    for (let value = ends[0]; value <= ends[1]; value += every) found.add(value)
  }
  return { list: [...found].sort((a, b) => a - b), any }
}

function rangeOf(range: string, field: Field, stepped: boolean): [number, number] | undefined {
  if (range === '*' || range === '?') return [field.from, field.to]
  const ends = range.split('-').map((end) => valueOf(end, field))
  const [low, high = stepped ? field.to : low] = ends
  if (ends.length > 2 || low === undefined || high === undefined || Number.isNaN(low) || Number.isNaN(high) || low > high) return undefined
  return [low, high]
}

function valueOf(text: string, field: Field): number {
  const name = field.names?.indexOf(text.toLowerCase()) ?? -1
  const value = name >= 0 ? name + field.from : /^\d+$/.test(text) ? Number(text) : NaN
  return value >= field.from && value <= field.to ? value : NaN
}

const ahead = 5 * 366 // days: what does not come in five years never does

/** The next times of a cron, as the server reckons them, after a moment. None: it is not a cron, or never comes. */
export function nextRuns(cron: string, after: Date, count: number): Date[] {
  const texts = cron.trim().split(/\s+/)
  const read = fields.map((field, i) => readField(texts[i] ?? '', field))
  const [second, minute, hour, date, month, day] = read
  if (texts.length !== fields.length || !second || !minute || !hour || !date || !month || !day) return []
  const onDay = (at: Date) => {
    const [byDate, byDay] = [date.list.includes(at.getUTCDate()), day.list.includes(at.getUTCDay())]
    // Where both say something, one of them is enough.
    return month.list.includes(at.getUTCMonth() + 1) && (date.any || day.any ? byDate && byDay : byDate || byDay)
  }
  const runs: Date[] = []
  const at = new Date(Date.UTC(after.getUTCFullYear(), after.getUTCMonth(), after.getUTCDate()))
  for (let i = 0; i < ahead; i++, at.setUTCDate(at.getUTCDate() + 1)) {
    if (!onDay(at)) continue
    for (const time of times(hour.list, minute.list, second.list)) {
      const run = new Date(at.getTime() + time * 1000)
      if (run > after) runs.push(run)
      if (runs.length === count) return runs
    }
  }
  return runs
}

/** The times of a day, in seconds from its beginning. */
function* times(hours: number[], minutes: number[], seconds: number[]): Generator<number> {
  for (const h of hours) for (const m of minutes) for (const s of seconds) yield h * 3600 + m * 60 + s
}
