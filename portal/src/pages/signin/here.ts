/**
 * Where to go after signing in, if it is a page of ours: an address that others
 * made must not lead elsewhere.
 */
export function here(to: unknown): string | undefined {
  if (typeof to !== 'string' || !/^\/(?![/\\])[^\\\s]*$/.test(to)) return undefined
  return to.startsWith('/signin') ? undefined : to
}
