import { type Chosen, selectorsOf } from '~/pages/policy/selectors'
import type { Rule } from './queries'

/** What a rule can keep, with the number that it begins with; the API knows more, for old rules. */
export const templates = [
  { name: 'latestPushedK', unit: 'count', begin: 10 },
  { name: 'latestPulledN', unit: 'count', begin: 10 },
  { name: 'nDaysSinceLastPush', unit: 'days', begin: 30 },
  { name: 'nDaysSinceLastPull', unit: 'days', begin: 30 },
  { name: 'always', unit: undefined, begin: 0 },
  { name: 'latestActiveK', unit: 'count', begin: 10, old: true },
  { name: 'lastXDays', unit: 'days', begin: 10, old: true },
] as const

export type Template = (typeof templates)[number]

/** A template by its name, or undefined. */
export function templateOf(name: string): Template | undefined {
  return templates.find((t) => t.name === name)
}

/** The number that a rule keeps, of artifacts or days. */
export function numberOf(rule: Rule): number {
  const value = rule.params[rule.template]
  return typeof value === 'number' ? value : (templateOf(rule.template)?.begin ?? 0)
}

/** The rule for what is chosen; what else the rule said before stays. */
export function ruleOf(chosen: Chosen, template: Template, number: number, before?: Rule): Rule {
  return {
    id: before?.id ?? 0, priority: before?.priority ?? 0, disabled: before?.disabled ?? false, action: 'retain', template: template.name,
    params: template.unit ? { [template.name]: number } : {}, ...selectorsOf(chosen, true),
  }
}
