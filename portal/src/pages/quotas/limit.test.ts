import { expect, test } from 'vitest'
import { limitOf } from './limit'

test.each([['1', 1], ['5 MiB', 5 * 1024 ** 2], ['1 PiB', 1024 ** 5]])('%s is a limit', (text, n) => expect(limitOf(text)).toBe(n))
test.each(['', '0', '-1', '1025 TiB', 'much'])('"%s" is none', (text) => expect(limitOf(text)).toBeNaN())
