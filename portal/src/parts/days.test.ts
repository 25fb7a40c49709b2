import { expect, test } from 'vitest'
import { dayOf, endOfDay, inFilter, startOfDay } from './days'

test('a day begins at midnight of the reader, and ends before the next', () => {
  const [start, end] = [startOfDay('2026-03-05') ?? 0, endOfDay('2026-03-05') ?? 0]
  expect(new Date(start * 1000).getHours()).toBe(0)
  expect(end - start).toBe(86_399)
  expect([dayOf(start), dayOf(end), dayOf(end + 1)]).toEqual(['2026-03-05', '2026-03-05', '2026-03-06'])
  expect([dayOf(null), dayOf(undefined)]).toEqual(['', ''])
})

test('filters have moments in UTC', () => {
  expect(inFilter(Date.UTC(2026, 2, 5, 7, 8, 9) / 1000)).toBe('2026-03-05T07:08:09')
  expect(inFilter(undefined)).toBeUndefined()
})

test.each(['', '2026', '2026-13-40', 'yesterday', '2026-03-05T00:00'])('"%s" is no day', (day) => expect([startOfDay(day), endOfDay(day)]).toEqual([undefined, undefined]))
