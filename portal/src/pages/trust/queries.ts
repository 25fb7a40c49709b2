import { queryOptions } from '@tanstack/react-query'
import { api, data, page, type Schemas } from '~/api/client'
import { contains, where } from '~/api/query'
import type { List } from '~/parts/useList'
import { kindOf } from './kinds'

export type Trust = Schemas['TrustBody']
export type Fields = Pick<Trust, 'name' | 'description' | 'kind' | 'content'> & { timestamps: string; identities: { issuer: string; subject: string }[] }

/** Forget with this key what was read of whom projects trust. */
export const trustKey = ['trust']

const at = (project: string) => ({ project_name_or_id: project })

/** A page of a project's entries. */
export function trustList(project: string, list: List) {
  const q = where(contains('name', list.q))
  return queryOptions({
    queryKey: [...trustKey, project, list.params, q],
    queryFn: () => page(api.GET('/projects/{project_name_or_id}/trust', { params: { path: at(project), query: { ...list.params, q } } })),
    placeholderData: (before) => before,
  })
}

/** The fields as the API takes them: only those that the kind has. */
export function asSent({ name, description, kind, content, timestamps, identities }: Fields): Schemas['TrustBodyInput'] {
  const has = kindOf(kind)
  return {
    name: name.trim(), description, kind, content,
    ...(has.timestamps && timestamps.trim() && { timestamps }),
    ...(has.identities && { identities: identities.map(({ issuer, subject }) => ({ ...(has.issuer && { issuer: issuer.trim() }), subject: subject.trim() })) }),
  }
}

/** Creates an entry, or changes the one of an id. */
export function saveTrust(project: string, fields: Fields, id?: number) {
  const body = asSent(fields)
  if (id === undefined) return data(api.POST('/projects/{project_name_or_id}/trust', { params: { path: at(project) }, body }))
  return data(api.PUT('/projects/{project_name_or_id}/trust/{trust_id}', { params: { path: { ...at(project), trust_id: id } }, body }))
}

export function deleteTrust(project: string, id: number) {
  return data(api.DELETE('/projects/{project_name_or_id}/trust/{trust_id}', { params: { path: { ...at(project), trust_id: id } } }))
}
