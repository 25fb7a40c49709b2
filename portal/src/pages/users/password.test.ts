import { expect, test } from 'vitest'
import { goodEmail, goodPassword, goodUserName } from './password'

test.each(['Berth-12', 'aA3456789', `aA1${'x'.repeat(125)}`])('%s is a password', (p) => expect(goodPassword(p)).toBe(true))
test.each(['', 'Berth-1', 'berth-12', 'BERTH-12', 'Berth-xy', `aA1${'x'.repeat(126)}`])('"%s" is none', (p) => expect(goodPassword(p)).toBe(false))

test.each(['a@example.com', 'a.b+c@x-y.example.org'])('%s is an address', (a) => expect(goodEmail(a)).toBe(true))
test.each(['', 'a', 'a@b', '@example.com', 'a b@example.com', 'a@example.c'])('"%s" is none', (a) => expect(goodEmail(a)).toBe(false))

test.each(['alice', 'Alice B', '李'])('%s is a name', (n) => expect(goodUserName(n)).toBe(true))
test.each(['', ' a', 'a ', 'a:b', 'robot$a', 'Anonymous'])('"%s" is none', (n) => expect(goodUserName(n)).toBe(false))
