import createClient, { type Middleware } from 'openapi-fetch'
import type { components, paths } from './schema'

/** The API's schemas by name: Schemas['ProjectBody']. */
export type Schemas = components['schemas']

/** What the server said of a request that it did not fulfil. */
export class ApiError extends Error {
  /** @param status of the answer, 0 where there was none */
  constructor(
    readonly status: number,
    message: string,
    readonly code = '',
    readonly requestId = '',
  ) {
    super(message)
  }
}

/** One page of a list, and how many there are on all pages. */
export interface Page<T> {
  items: T[]
  total: number
}

/** Headers of requests that a page makes by itself, which do not keep a session alive. */
export const quiet = { 'X-Harbor-No-Session-Renewal': '1' }

const proofHeader = 'X-Harbor-CSRF-Token'
let proof = ''

/** Sends the session's proof along, and remembers what the last answer told. */
const session: Middleware = {
  onRequest({ request }) {
    if (proof) request.headers.set(proofHeader, proof)
    // A project is always named, also one whose name looks like an id.
    if (!request.headers.has('X-Is-Resource-Name')) request.headers.set('X-Is-Resource-Name', 'true')
    return request
  },
  onResponse({ response }) {
    proof = response.headers.get(proofHeader) ?? proof
  },
}

export const api = createClient<paths>({ baseUrl: '/api/v2.0' })
api.use(session)

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** Returns what a call answered with, or throws an ApiError. */
export async function data<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await reached(call)
  if (!response.ok) throw failure(response, error)
  return data as T
}

/** Returns a page of a list, or throws an ApiError. */
export async function page<T>(call: Promise<Answer<T[]>>): Promise<Page<T>> {
  const { data, error, response } = await reached(call)
  if (!response.ok) throw failure(response, error)
  const items = data ?? []
  return { items, total: Number(response.headers.get('X-Total-Count') ?? items.length) }
}

/** Signs in or out: these two are beside the API. Throws an ApiError. */
export async function atDoor(path: '/c/login' | '/c/log_out', form?: Record<string, string>): Promise<void> {
  const headers = proof ? { [proofHeader]: proof } : undefined
  const init = form ? { method: 'POST', body: new URLSearchParams(form), headers } : { headers }
  const { response } = await reached(fetch(path, init).then((response) => ({ response })))
  if (!response.ok) throw failure(response, await response.json().catch(() => undefined))
  proof = form ? (response.headers.get(proofHeader) ?? '') : ''
}

/** Tells of a server that cannot be reached as of any other failure. */
async function reached<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw new ApiError(0, cause instanceof Error ? cause.message : String(cause))
  }
}

function failure(response: Response, body: unknown): ApiError {
  const problem = isFailure(body) ? body.errors[0] : undefined
  return new ApiError(
    response.status,
    problem?.message ?? (response.statusText || String(response.status)),
    problem?.code,
    response.headers.get('X-Request-Id') ?? '',
  )
}

function isFailure(body: unknown): body is Schemas['Failure'] {
  return typeof body === 'object' && body !== null && 'errors' in body && Array.isArray(body.errors)
}
