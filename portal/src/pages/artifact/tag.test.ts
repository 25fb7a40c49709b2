import { expect, test } from 'vitest'
import { validTag } from './tag'

test.each(['1.0', '_a', 'A-b', 'x'.repeat(128)])('%s is a tag', (name) => expect(validTag(name)).toBe(true))
test.each(['', '.a', '-a', 'a b', 'a/b', 'a:b', 'x'.repeat(129)])('"%s" is none', (name) => expect(validTag(name)).toBe(false))
