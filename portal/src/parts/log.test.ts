import { expect, test } from 'vitest'
import { chunks, matching } from './log'

test('a log is searched by lines, whatever the case', () => {
  expect(matching('a sweep\nb\nSwept c\n', 'SWE')).toEqual(['a sweep', 'Swept c'])
  expect(matching('a\n\nb\n', ' ')).toEqual(['a', '', 'b'])
  expect(matching('', '')).toEqual([])
})

test('a long log comes in chunks, without a line lost', () => {
  const lines = Array.from({ length: 1001 }, (_, i) => String(i))
  expect(chunks(lines)).toHaveLength(3)
  expect(chunks(lines).join('\n').split('\n')).toEqual(lines)
  expect(chunks([])).toEqual([])
})
