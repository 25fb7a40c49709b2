import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { type Chosen, selectorsOf } from '~/pages/policy/selectors'
import type { List } from '~/parts/useList'

export type Rule = Schemas['RuleBody']

/** Forget with this key what was read of rules about immutable tags. */
export const immutabilityKey = ['immutability']

const at = (project: string) => ({ project_name_or_id: project })

/** A page of a project's rules. */
export function rulesList(project: string, list: List) {
  return queryOptions({
    queryKey: [...immutabilityKey, project, list.params],
    queryFn: () => page(api.GET('/projects/{project_name_or_id}/immutabletagrules', { params: { path: at(project), query: list.params } })),
    placeholderData: (before) => before,
  })
}

/** Creates a rule for what is chosen, or changes one. */
export function saveRule(project: string, chosen: Chosen, rule?: Rule) {
  const body = { ...(rule ?? { disabled: false, priority: 0 }), action: 'immutable', template: 'immutable_template', ...selectorsOf(chosen, false) }
  return rule ? change(project, rule.id, body) : data(api.POST('/projects/{project_name_or_id}/immutabletagrules', { params: { path: at(project) }, body }))
}

/** Turns a rule on or off, which is a change of its own to the API. */
export function enableRule(project: string, rule: Rule, on: boolean) {
  return change(project, rule.id, { ...rule, disabled: !on })
}

function change(project: string, id: number, body: Schemas['RuleBodyInput']) {
  return data(api.PUT('/projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}', { params: { path: { ...at(project), immutable_rule_id: id } }, body }))
}

export function deleteRule(project: string, id: number) {
  return data(api.DELETE('/projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}', { params: { path: { ...at(project), immutable_rule_id: id } } }))
}
