import { expect, test } from 'vitest'
import { isColor, palette, textOn } from './color'

test.each([['#ffffff', '#000000'], ['#000000', '#ffffff'], ['#17728f', '#ffffff'], ['#F2D675', '#000000'], ['#777777', '#000000']])('a text on %s is %s', (ground, text) => expect(textOn(ground)).toBe(text))

test('what is no colour is known', () => expect(['', '#fff', 'red', '#12345g', '#123456'].map(isColor)).toEqual([false, false, false, false, true]))

test('the palette is of colours, each once', () => {
  expect(palette.filter((c) => !isColor(c))).toEqual([])
  expect(new Set(palette).size).toBe(palette.length)
})
