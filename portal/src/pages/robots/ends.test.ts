import { expect, test } from 'vitest'
import { daysLeft, endOf } from './ends'

const now = new Date('2026-05-01T12:00:00Z')

test.each([['2026-05-02T13:00:00Z', 1], ['2026-05-01T13:00:00Z', 0], ['2026-05-01T11:00:00Z', -1]])('until %s it is %i days', (end, days) =>
  expect(daysLeft(new Date(end).getTime() / 1000, now)).toBe(days))

test('an end is so many days after the beginning, or never', () => {
  expect(endOf(now, 30)?.toISOString()).toBe('2026-05-31T12:00:00.000Z')
  expect(endOf(now, -1)).toBeUndefined()
})
