import { expect, test } from 'vitest'
import { nextRuns, scheduleFor, scheduleOf, validSchedule } from './cron'

const saturday = new Date('2026-11-28T09:30:15Z')
const first = (cron: string) => nextRuns(cron, saturday, 1)[0]?.toISOString().replace('.000Z', 'Z')

test.each([
  ['0 0 * * * *', '2026-11-28T10:00:00Z'],
  ['0 0 0 * * *', '2026-11-29T00:00:00Z'],
  ['0 0 0 * * 0', '2026-11-29T00:00:00Z'],
  ['0 30 9 * * *', '2026-11-29T09:30:00Z'], // it has just passed
  ['0 */20 * * * *', '2026-11-28T09:40:00Z'],
  ['0 5/20 9 * * *', '2026-11-28T09:45:00Z'],
  ['0 0 8-17 * * mon-fri', '2026-11-30T08:00:00Z'],
  ['0 0 0 1 jan ?', '2027-01-01T00:00:00Z'],
  ['0 0 0 29 2 *', '2028-02-29T00:00:00Z'],
  ['0 0 0 13 * 5', '2026-12-04T00:00:00Z'], // a Friday, or a 13th
  ['0 0 0 */2 * 1', '2026-11-29T00:00:00Z'], // every other day, or a Monday
  ['30 * * * * *', '2026-11-28T09:30:30Z'],
])('%s comes at %s', (cron, when) => expect(first(cron)).toBe(when))

test.each(['', '* * * * *', '0 60 * * * *', '0 0 0 0 * *', '0 0 0 * 13 *', '0 0 0 * * 7', '0 5-1 * * * *', '0 */0 * * * *', '0 a * * * *', '0 1-2-3 * * * *', '0 0 0 30 2 *', '0 0 0 * * * *', '@daily', '0 , * * * *'])(
  '"%s" never comes',
  (cron) => expect(first(cron)).toBeUndefined(),
)

test('times follow each other', () => {
  expect(nextRuns('0 0 12 * * 6,0', saturday, 3).map((d) => d.toISOString().slice(0, 10))).toEqual(['2026-11-28', '2026-11-29', '2026-12-05'])
})

test('a cron is known by the usual name of it', () => {
  expect(scheduleOf('0  0 0 * * *')).toEqual({ type: 'Daily', cron: '0 0 0 * * *' })
  expect(scheduleOf('0 5 0 * * *')).toEqual({ type: 'Custom', cron: '0 5 0 * * *' })
  expect(scheduleOf(undefined)).toEqual({ type: 'None', cron: '' })
})

test('a type brings its cron along, and Custom keeps what was there', () => {
  expect(scheduleFor('Weekly', 'x')).toEqual({ type: 'Weekly', cron: '0 0 0 * * 0' })
  expect(scheduleFor('Custom', '0 0 * * * *')).toEqual({ type: 'Custom', cron: '0 0 * * * *' })
  expect(scheduleFor('None', '0 0 * * * *')).toEqual({ type: 'None', cron: '' })
  expect(validSchedule({ type: 'Custom', cron: 'soon' })).toBe(false)
  expect(validSchedule({ type: 'Manual', cron: '' })).toBe(true)
})
