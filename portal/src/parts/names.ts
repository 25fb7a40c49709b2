/** A repository's name without its project: what the API's paths take. */
export function withoutProject(repository: string): string {
  return repository.slice(repository.indexOf('/') + 1)
}

/** A repository's name with each slash escaped, as a path of the API takes it. */
export function inPath(repository: string): string {
  return encodeURIComponent(repository)
}

/** A digest as people compare them: the beginning of its hash. */
export function shortDigest(digest: string): string {
  const [, hash = digest] = digest.split(':')
  return hash.slice(0, 12)
}
