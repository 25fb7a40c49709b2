/** The ids in a text, with spaces, commas or lines between them, each once, as it stands there first. */
export function cveIds(text: string): string[] {
  const found = new Map<string, string>()
  for (const id of text.split(/[\s,;]+/)) if (id && !found.has(id.toLowerCase())) found.set(id.toLowerCase(), id)
  return [...found.values()]
}
