import { expect, test } from 'vitest'
import { endOf, startOf } from './queries'

test('a day is between two moments, in UTC', () => {
  const [start, end] = [startOf('2026-03-05') ?? '', endOf('2026-03-05') ?? '']
  expect(start).toMatch(/^2026-03-0\dT\d\d:\d\d:00$/)
  expect(Date.parse(`${end}Z`) - Date.parse(`${start}Z`)).toBe(86_399_000)
  expect(new Date(`${start}Z`).getHours()).toBe(0)
})

test.each(['', '2026', '2026-13-40', 'yesterday', '2026-03-05T00:00'])('"%s" is no day', (day) => expect([startOf(day), endOf(day)]).toEqual([undefined, undefined]))
