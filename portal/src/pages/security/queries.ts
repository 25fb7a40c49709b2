import { queryOptions } from '@tanstack/react-query'
import { api, data, page, quiet, type Schemas } from '~/api/client'
import { between, contains, is, where } from '~/api/query'
import { goesOn } from '~/parts/StatusBadge'
import type { List } from '~/parts/useList'

export type Finding = Schemas['VulnerabilityItem']
export type Summary = Schemas['SecuritySummary']
export type Export = Schemas['ExportExecution']

/** Forget with this key what was read of findings. */
export const securityKey = ['security']
export const exportsKey = ['exports']

/** How far findings are counted. */
export const counted = 1000

export const summary = queryOptions({
  queryKey: [...securityKey, 'summary'],
  queryFn: () => data(api.GET('/security/summary', { params: { query: { with_dangerous_cve: true, with_dangerous_artifact: true } } })),
})

/** The conditions that the list of findings takes, by their names in the page's address. */
const exact = { severity: 'severity', cve: 'cve_id', package: 'package', repository: 'repository_name', tag: 'tag', digest: 'digest', status: 'status' } as const

export const filterNames = [...Object.keys(exact), 'project', 'least', 'most']

/** A page of all findings, the worst first. project is the id of the one that is asked for. */
export function findings(list: List, project: number | undefined) {
  const q = where(
    ...Object.entries(exact).map(([name, field]) => is(field, list.filter(name).replaceAll(',', ' ').trim())), is('project_id', project),
    between('cvss_score_v3', score(list.filter('least')), score(list.filter('most'))),
  )
  return queryOptions({
    queryKey: [...securityKey, 'list', list.page, list.size, q],
    queryFn: async () => {
      const found = await page(api.GET('/security/vul', { params: { query: { q, page: list.page, page_size: list.size, with_tag: true, tune_count: true } } }))
      // Where there are more than it counts, the API says -1.
      return { ...found, total: found.total < 0 ? counted + 1 : found.total }
    },
    placeholderData: (before) => before,
  })
}

function score(text: string): string | undefined {
  return /^(10(\.0)?|\d(\.\d)?)$/.test(text) ? text : undefined
}

/** Names of projects that contain a text, with their ids. */
export function projectsNamed(text: string) {
  return queryOptions({
    queryKey: ['projects', 'named', text],
    queryFn: async () => (await page(api.GET('/projects', { params: { query: { page: 1, page_size: 20, sort: 'name', q: where(contains('name', text)) } } }))).items,
    placeholderData: (before) => before,
  })
}

export const exportsList = queryOptions({
  queryKey: exportsKey,
  queryFn: async () => (await data(api.GET('/export/cve/executions', { headers: quiet }))).items,
  refetchInterval: ({ state }) => (state.data && goesOn(state.data.map((e) => e.status)) ? 1500 : false),
})

export function startExport(body: Schemas['ScanDataExportRequest']) {
  return data(api.POST('/export/cve', { params: { header: { 'X-Scan-Data-Type': 'application/vnd.security.vulnerability.report; version=1.1' } }, body }))
}

/** Fetches an export's table. The server forgets it then. */
export function takeExport(id: number) {
  return data(api.GET('/export/cve/download/{execution_id}', { params: { path: { execution_id: id } }, parseAs: 'text' }))
}
