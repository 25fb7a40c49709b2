/** The lines of a log that contain a text, whatever the case. */
export function matching(text: string, sought: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const part = sought.trim().toLowerCase()
  return part ? lines.filter((line) => line.toLowerCase().includes(part)) : lines
}

const most = 400 // lines of a chunk

/** A log in chunks, of which a browser lays out only those that are seen. */
export function chunks(lines: string[]): string[] {
  return Array.from({ length: Math.ceil(lines.length / most) }, (_, i) => lines.slice(i * most, (i + 1) * most).join('\n'))
}

/** Has the browser keep a file. */
export function save(content: BlobPart, file: string, type = 'text/plain'): void {
  const url = URL.createObjectURL(new Blob([content], { type }))
  const link = Object.assign(document.createElement('a'), { href: url, download: file })
  link.click()
  // The browser has begun to read it before anything else happens.
  setTimeout(() => URL.revokeObjectURL(url), 1000)
}
