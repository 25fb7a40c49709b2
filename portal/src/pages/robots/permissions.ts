import type { Schemas } from '~/api/client'

export type Action = Schemas['Permission']

/** An action on a resource, as one text. */
export const keyOf = (a: Action) => `${a.resource}:${a.action}`

/** What robots mostly are for. */
export const presets = {
  pull: ['repository:pull', 'repository:list', 'artifact:read', 'artifact:list', 'tag:list'],
  push: ['repository:pull', 'repository:push', 'repository:list', 'artifact:read', 'artifact:list', 'artifact:create', 'tag:list', 'tag:create'],
} as const

/** The actions of a catalogue by resource, both in the catalogue's order. */
export function byResource(catalogue: Action[]): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { resource, action } of catalogue) found.set(resource, [...(found.get(resource) ?? []), action])
  return found
}

/** The actions that a matrix has columns for: those that most resources know first. */
export function columnsOf(catalogue: Action[]): string[] {
  const order = ['list', 'read', 'create', 'update', 'delete', 'pull', 'push', 'stop']
  const rank = (action: string) => (order.includes(action) ? order.indexOf(action) : order.length)
  return [...new Set(catalogue.map((a) => a.action))].sort((a, b) => rank(a) - rank(b))
}

/** The chosen actions as the API takes them; those that the catalogue does not have cannot be granted. */
export function granted(chosen: Set<string>, catalogue: Action[]): Action[] {
  return catalogue.filter((a) => chosen.has(keyOf(a)))
}
