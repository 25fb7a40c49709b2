import { expect, test } from 'vitest'
import { ago, bytes, duration, moment, parseBytes } from './numbers'

test.each([
  [0, '0 B'], [1023, '1,023 B'], [1024, '1 KiB'], [1536, '1.5 KiB'], [150 * 1024 ** 2, '150 MiB'], [20 * 1024 ** 3, '20 GiB'], [2 ** 60, '1 EiB'],
])('%d bytes are written as %s', (n, text) => expect(bytes(n, 'en')).toBe(text))

test.each([
  ['20 GiB', 20 * 1024 ** 3], ['20g', 20 * 1024 ** 3], ['1,5 MB', 1.5 * 1024 ** 2], ['512', 512], ['-1', -1], ['512 B', 512],
])('%s is read as %d bytes', (text, n) => expect(parseBytes(text)).toBe(n))

test.each(['', 'much', '5 XiB', '1 2', 'GiB'])('"%s" is no number of bytes', (text) => expect(parseBytes(text)).toBeNaN())

test('the first day of the year 1 is never', () => {
  expect(moment('0001-01-01T00:00:00.000Z')).toBeUndefined()
  expect(moment('')).toBeUndefined()
  expect(moment('2026-01-02T03:04:05Z')?.getTime()).toBe(Date.UTC(2026, 0, 2, 3, 4, 5))
})

test.each([
  [-5, 'now'], [-61, '1 minute ago'], [-3 * 86_400, '3 days ago'], [-86_400, 'yesterday'], [-40 * 86_400, 'last month'], [7200, 'in 2 hours'],
])('%d seconds from now is %s', (seconds, text) => {
  const now = new Date('2026-06-01T12:00:00Z')
  expect(ago(new Date(now.getTime() + seconds * 1000), now, 'en')).toBe(text)
})

test.each([[5, '5 sec'], [65, '1 min 5 sec'], [3600, '1 hr 0 min'], [-1, '0 sec']])('%d seconds last %s', (n, text) => expect(duration(n, 'en')).toBe(text))
