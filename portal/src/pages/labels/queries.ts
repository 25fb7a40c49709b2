import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import type { List } from '~/parts/useList'

export type Label = Schemas['LabelBody']

/** Whose labels: those of all projects, or those of one. */
export type Scope = { scope: 'g' } | { scope: 'p'; project_id: number }

/** Forget with this key what was read of labels. */
export const labelsKey = ['labels']

/** A page of the labels of a scope. */
export function labelsList(scope: Scope, list: List) {
  return queryOptions({
    queryKey: [...labelsKey, scope, list.params, list.q],
    queryFn: () => page(api.GET('/labels', { params: { query: { ...scope, ...list.params, name: list.q || undefined } } })),
    placeholderData: (before) => before,
  })
}

/** Creates a label, or changes the one of an id. */
export function saveLabel(scope: Scope, fields: { name: string; description: string; color: string }, id?: number) {
  if (id === undefined) return data(api.POST('/labels', { body: { ...scope, ...fields } }))
  return data(api.PUT('/labels/{label_id}', { params: { path: { label_id: id } }, body: { ...scope, ...fields } }))
}

export function deleteLabel(id: number) {
  return data(api.DELETE('/labels/{label_id}', { params: { path: { label_id: id } } }))
}
