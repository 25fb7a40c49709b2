import { expect, test } from 'vitest'
import { chosenOf, everything } from '~/pages/policy/selectors'
import { numberOf, ruleOf, templateOf, templates } from './templates'

test.each(templates.map((t) => [t.name, t] as const))('a rule of %s says what was chosen', (name, template) => {
  const rule = ruleOf(everything, template, 7)
  expect(rule.params).toEqual(template.unit ? { [name]: 7 } : {})
  expect(numberOf(rule)).toBe(template.unit ? 7 : 0)
  expect(chosenOf(rule)).toEqual(everything)
})

test('what a rule is besides stays', () => {
  const always = templates[4]
  const before = { ...ruleOf(everything, templates[0], 3), id: 4, priority: 2, disabled: true }
  expect(ruleOf({ ...everything, untagged: false }, always, 0, before)).toMatchObject({ id: 4, priority: 2, disabled: true, template: 'always', params: {} })
})

test('a number that is missing is the one to begin with', () => {
  expect(numberOf({ ...ruleOf(everything, templates[2], 1), params: {} })).toBe(30)
  expect(templateOf('new')).toBeUndefined()
})
