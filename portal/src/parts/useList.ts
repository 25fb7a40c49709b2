import { useNavigate, useSearch } from '@tanstack/react-router'

/** The state of a list, which is in the page's address. */
export interface ListSearch {
  page?: number // from 1
  size?: number // entries a page
  sort?: string // a field, with a dash before it where the largest is first
  q?: string // what somebody looks for, as typed
}

export const sizes = [15, 30, 50, 100]
const kept = 'berth.pageSize'

/** How many entries a page has where the address does not say. */
export function keptSize(): number {
  const size = Number(localStorage.getItem(kept))
  return sizes.includes(size) ? size : 15
}

/** … from now on, in this browser. */
export function keepSize(size: number): void {
  localStorage.setItem(kept, String(size))
}

/**
 * Reads the state of a list out of an address, for a route's validateSearch. What
 * is not of the form is left out. filters are further fields that the page has.
 */
export function listSearch<F extends string = never>(...filters: F[]) {
  return (raw: Record<string, unknown>): ListSearch & { [K in F]?: string } => {
    const out: Record<string, string | number> = {}
    for (const field of ['page', 'size']) {
      const n = Number(raw[field])
      if (Number.isInteger(n) && n > 0 && (field === 'page' || n <= 100)) out[field] = n
    }
    for (const field of ['sort', 'q', ...filters]) {
      const value = raw[field]
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') out[field] = String(value)
    }
    return out as ListSearch & { [K in F]?: string }
  }
}

/** A list's state, and how to change it. */
export interface List {
  page: number
  size: number
  sort: string
  q: string
  /** The value of a filter, or ''. */
  filter: (name: string) => string
  /** Whether something is looked for, or a filter is set. */
  narrowed: boolean
  /** Takes all that away. */
  widen: () => void
  /** Changes the state, and so the address. The first page is shown again, unless another is named. */
  set: (change: Record<string, string | number | undefined>) => void
  /** What the API's lists take. */
  params: { page: number; page_size: number; sort: string }
}

/** The state of the page's list. sort is the order where the address says none. */
export function useList(sort = ''): List {
  const search: Record<string, string | number | undefined> = useSearch({ strict: false })
  const navigate = useNavigate()
  const filters = Object.keys(search).filter((name) => !['page', 'size', 'sort'].includes(name) && search[name] !== '')
  const state = {
    page: Number(search['page'] ?? 1),
    size: Number(search['size'] ?? keptSize()),
    sort: String(search['sort'] ?? sort),
  }
  const list: List = {
    ...state,
    q: String(search['q'] ?? ''),
    filter: (name) => String(search[name] ?? ''),
    narrowed: filters.length > 0,
    widen: () => list.set(Object.fromEntries(filters.map((name) => [name, '']))),
    set(change) {
      if (typeof change['size'] === 'number') keepSize(change['size'])
      const next = Object.entries({ ...search, page: undefined, ...change }).filter(([, v]) => v !== undefined && v !== '')
      const turns = 'page' in change // which one may want to go back from
      void navigate({ to: '.', search: Object.fromEntries(next), replace: !turns })
    },
    params: { page: state.page, page_size: state.size, sort: state.sort },
  }
  return list
}
