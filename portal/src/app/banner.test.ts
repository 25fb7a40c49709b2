import { expect, test } from 'vitest'
import { banner } from './banner'

const now = new Date('2026-06-15')

test('a banner is shown between its days', () => {
  const setting = (from: string, to: string) => JSON.stringify({ message: 'Hello', type: 'danger', fromDate: from, toDate: to })
  expect(banner(setting('2026-06-01', '2026-06-30'), now)).toEqual({ text: 'Hello', color: 'red' })
  expect(banner(setting('2026-06-16', '2026-06-30'), now)).toBeUndefined()
  expect(banner(setting('2026-05-01', '2026-06-01'), now)).toBeUndefined()
})

test('a plain text is a banner too, and nothing is none', () => {
  expect(banner('<b>Hello</b>', now)).toEqual({ text: '<b>Hello</b>', color: 'blue' })
  expect(banner(' ', now)).toBeUndefined()
  expect(banner('{"message": ""}', now)).toBeUndefined()
})
