import { expect, test } from 'vitest'
import { valueOf } from './values'

test.each([
  ['a', { kind: 'text', text: 'a' }],
  [3, { kind: 'text', text: '3' }],
  [false, { kind: 'text', text: 'false' }],
  [['a', 'b'], { kind: 'lines', lines: ['a', 'b'] }],
  [{ '80/tcp': {}, '443/tcp': {} }, { kind: 'lines', lines: ['80/tcp', '443/tcp'] }],
  [{ a: 'b' }, { kind: 'lines', lines: ['a=b'] }],
  [[{ name: 'x' }], { kind: 'json', text: '[\n  {\n    "name": "x"\n  }\n]' }],
])('%j is shown', (value, shown) => expect(valueOf(value)).toEqual(shown))

test.each([null, undefined, '', [], {}])('%j is not', (value) => expect(valueOf(value)).toBeUndefined())
