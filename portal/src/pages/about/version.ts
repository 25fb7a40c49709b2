/** What the server says of its version, such as "v2.14.0-1.2.3": Harbor's whose API it has, and its own. */
export function versions(said: string | undefined): { api: string; own: string } | undefined {
  const [, api, own] = /^v?(\d+\.\d+\.\d+)-(.+)$/.exec(said ?? '') ?? []
  return api && own ? { api, own } : undefined
}
