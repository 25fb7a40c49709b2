/** What one pulls an artifact with. */
export type Client = 'docker' | 'podman' | 'nerdctl' | 'ctr' | 'crictl' | 'helm' | 'oras'

/** The clients that pull artifacts of a type (IMAGE, CHART, …), the most usual one first. */
export function clientsFor(type: string): Client[] {
  if (type === 'IMAGE') return ['docker', 'podman', 'nerdctl', 'ctr', 'crictl']
  return type === 'CHART' ? ['helm', 'oras'] : ['oras']
}

/**
 * The command that pulls an artifact.
 * @param repository host, project and repository
 * @param reference a tag, or else a digest
 */
export function pullCommand(client: Client, repository: string, reference: string): string {
  const digest = reference.includes(':')
  const ref = `${repository}${digest ? '@' : ':'}${reference}`
  if (client === 'helm') return digest ? `helm pull oci://${ref}` : `helm pull oci://${repository} --version ${reference}`
  return client === 'ctr' ? `ctr images pull ${ref}` : `${client} pull ${ref}`
}
