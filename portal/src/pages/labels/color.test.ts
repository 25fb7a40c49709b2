import { expect, test } from 'vitest'
import { isColor, palette } from './color'

test('what is no colour is known', () => expect(['', '#fff', 'red', '#12345g', '#123456'].map(isColor)).toEqual([false, false, false, false, true]))

test('the palette is of colours, each once', () => {
  expect(palette.filter((c) => !isColor(c))).toEqual([])
  expect(new Set(palette).size).toBe(palette.length)
})
