import { expect, test } from 'vitest'
import { validName } from './name'

test.each(['a', '1', 'team-a', 'a.b_c-d', 'x'.repeat(255)])('%s is a name', (name) => expect(validName(name)).toBe(true))
test.each(['', 'A', 'a--b', '-a', 'a-', 'a b', 'é', 'a/b', 'x'.repeat(256)])('"%s" is none', (name) => expect(validName(name)).toBe(false))
