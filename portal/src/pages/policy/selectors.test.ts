import { expect, test } from 'vitest'
import { type Chosen, chosenOf, everything, selectorsOf } from './selectors'

const chosen = (change: Partial<Chosen>): Chosen => ({ ...everything, ...change })

test.each([
  everything,
  chosen({ untagged: false }),
  chosen({ tags: { except: true, pattern: 'v*' } }),
  chosen({ tags: { except: true, pattern: 'v*' }, untagged: false }),
  chosen({ repositories: { except: true, pattern: '{a,b}/**' } }),
])('%o comes back as it was sent', (form) => expect(chosenOf(selectorsOf(form, true))).toEqual(form))

test('an empty pattern is one for everything', () => expect(selectorsOf(chosen({ tags: { except: false, pattern: ' ' } }), false).tag_selectors[0]).toMatchObject({ pattern: '**', extras: '' }))

test.each([['', true], ['{}', true], ['{"untagged":false}', false], ['{"untagged":true}', true]])('extras %s of what matches', (extras, untagged) =>
  expect(chosenOf({ tag_selectors: [{ kind: '', decoration: 'matches', pattern: '', extras }], scope_selectors: {} }).untagged).toBe(untagged))

test.each([['', true], ['{"untagged":false}', true], ['{"untagged":true}', false]])('extras %s of what is excluded', (extras, untagged) =>
  expect(chosenOf({ tag_selectors: [{ kind: '', decoration: 'excludes', pattern: 'x', extras }], scope_selectors: {} }).untagged).toBe(untagged))
