import { queryOptions } from '@tanstack/react-query'
import { api, data, page, quiet, type Schemas } from '~/api/client'
import { contains, where } from '~/api/query'
import { type Artifact, repositoriesKey } from '~/pages/repositories/queries'
import { goesOn } from '~/parts/StatusBadge'
import type { List } from '~/parts/useList'

export type ScanKind = 'vulnerability' | 'sbom'
export type Tag = Schemas['TagBody']
export type Accessory = Schemas['AccessoryBody']
export type Label = Schemas['LabelBody']

/** Where an artifact is. The repository's name is without the project; the reference is a tag or a digest. */
export interface Place {
  project: string
  repository: string
  reference: string
}

/** The place as the API's paths have it. */
export const at = ({ project, repository, reference }: Place) => ({ project_name: project, repository_name: repository, reference })

const path = '/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}'
const key = (p: Place, ...more: unknown[]) => [...repositoriesKey, p.project, 'artifact', p.repository, p.reference, ...more]
const soon = 1500

/** What is known of the last scan of an artifact, if there was one. */
export function scanOf(artifact: Artifact): Schemas['ScanSummary'] | undefined {
  return Object.values(artifact.scan_overview ?? {})[0]
}

/** Whether somebody looks into an artifact at present. */
export function isExamined(artifact: Artifact | undefined): boolean {
  if (!artifact) return false
  return goesOn([scanOf(artifact)?.scan_status, artifact.sbom_overview?.scan_status].filter((s) => s !== undefined))
}

/** An artifact with all that is known of it. It is asked for again while somebody looks into it. */
export function artifactAt(place: Place) {
  const queryKey = key(place)
  return queryOptions({
    queryKey,
    queryFn: ({ client }) =>
      data(
        api.GET(path, {
          params: { path: at(place), query: { with_tag: true, with_label: true, with_scan_overview: true, with_sbom_overview: true, with_accessory: true, with_inherited_accessory: true } },
          headers: isExamined(client.getQueryData<Artifact>(queryKey)) ? quiet : undefined,
        }),
      ),
    refetchInterval: ({ state }) => (isExamined(state.data) ? soon : false),
  })
}

/** Documents that are a part of an artifact, as they are: somebody else wrote them. */
export function textOf(place: Place, addition: string) {
  return queryOptions({
    queryKey: key(place, 'text', addition),
    queryFn: () => data(api.GET(`${path}/additions/{addition}`, { params: { path: { ...at(place), addition } }, parseAs: 'text' })),
    staleTime: Infinity, // a digest always has the same
  })
}

/** An addition that is JSON, read by a function that trusts nothing in it. */
export function additionOf<T>(place: Place, addition: string, read: (document: unknown) => T) {
  return queryOptions({
    queryKey: key(place, 'addition', addition),
    queryFn: async () => {
      const text = await data(api.GET(`${path}/additions/{addition}`, { params: { path: { ...at(place), addition } }, parseAs: 'text' }))
      return read(JSON.parse(String(text)))
    },
    staleTime: Infinity,
  })
}

/** What the last scan found; version changes when there is another. */
export function reportOf<T>(place: Place, version: string, read: (document: unknown) => T) {
  return queryOptions({
    queryKey: key(place, 'report', version),
    queryFn: async () => read(await data(api.GET(`${path}/additions/vulnerabilities`, { params: { path: at(place) } }))),
    staleTime: Infinity,
  })
}

export function logOf(place: Place, report: string, running: boolean) {
  return queryOptions({
    queryKey: key(place, 'log', report),
    queryFn: async () => String(await data(api.GET(`${path}/scan/{report_id}/log`, { params: { path: { ...at(place), report_id: report } }, parseAs: 'text', headers: running ? quiet : undefined }))),
    refetchInterval: running ? soon : false,
    staleTime: 0,
  })
}

export function startScan(place: Place, scan_type: ScanKind) {
  return data(api.POST(`${path}/scan`, { params: { path: at(place) }, body: { scan_type } }))
}

export function stopScan(place: Place, scan_type: ScanKind) {
  return data(api.POST(`${path}/scan/stop`, { params: { path: at(place) }, body: { scan_type } }))
}

export function tagsOf(place: Place, list: List) {
  return queryOptions({
    queryKey: key(place, 'tags', list.params, list.q),
    queryFn: () => page(api.GET(`${path}/tags`, { params: { path: at(place), query: { ...list.params, q: where(contains('name', list.q)), with_immutable_status: true } } })),
    placeholderData: (before) => before,
  })
}

export function addTag(place: Place, name: string) {
  return data(api.POST(`${path}/tags`, { params: { path: at(place) }, body: { name } }))
}

export function deleteTag(place: Place, tag_name: string) {
  return data(api.DELETE(`${path}/tags/{tag_name}`, { params: { path: { ...at(place), tag_name } } }))
}

export function accessoriesOf(place: Place, list: List) {
  return queryOptions({
    queryKey: key(place, 'accessories', list.params),
    queryFn: () => page(api.GET(`${path}/accessories`, { params: { path: at(place), query: list.params } })),
    placeholderData: (before) => before,
  })
}

export function signaturesOf(place: Place) {
  return queryOptions({
    queryKey: key(place, 'signatures'),
    queryFn: () => data(api.GET(`${path}/signatures`, { params: { path: at(place) } })),
  })
}

export function deleteArtifact(place: Place) {
  return data(api.DELETE(path, { params: { path: at(place) } }))
}

/** Copies an artifact with all that belongs to it, and its tags. */
export function copyArtifact(place: Place, toProject: string, toRepository: string) {
  const from = `${place.project}/${place.repository}@${place.reference}`
  return data(
    api.POST('/projects/{project_name}/repositories/{repository_name}/artifacts', {
      params: { path: { project_name: toProject, repository_name: toRepository }, query: { from } },
    }),
  )
}

/** The labels that artifacts of a project may have, its own and those of all projects, with a part of a name: the first of each. */
export function labelsFor(projectId: number, part: string) {
  const first = { page: 1, page_size: 50, sort: 'name', q: where(contains('name', part)) }
  return queryOptions({
    queryKey: ['labels', 'for', projectId, part],
    queryFn: async () => {
      const [everywhere, here] = await Promise.all([
        page(api.GET('/labels', { params: { query: { ...first, scope: 'g' } } })),
        page(api.GET('/labels', { params: { query: { ...first, scope: 'p', project_id: projectId } } })),
      ])
      return [...here.items, ...everywhere.items]
    },
    placeholderData: (before) => before,
  })
}

export function labelOf(label_id: number) {
  return queryOptions({
    queryKey: ['labels', 'one', label_id],
    queryFn: () => data(api.GET('/labels/{label_id}', { params: { path: { label_id } } })),
  })
}

export function addLabel(place: Place, id: number) {
  return data(api.POST(`${path}/labels`, { params: { path: at(place) }, body: { id } }))
}

export function removeLabel(place: Place, label_id: number) {
  return data(api.DELETE(`${path}/labels/{label_id}`, { params: { path: { ...at(place), label_id } } }))
}
