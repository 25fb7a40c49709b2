/** Host and port by which clients know the registry: as the server says, or as the page was found. */
export function registryHost(said: string | undefined): string {
  return said || window.location.host
}
