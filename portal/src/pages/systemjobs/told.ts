/** What work was told and what came of it: an object, which the API sends as a text of JSON. */
export interface Told {
  number: (name: string) => number | undefined
  flag: (name: string) => boolean
  text: (name: string) => string
}

export function told(json: string | undefined): Told {
  const all = read(json)
  return {
    number: (name) => (typeof all[name] === 'number' ? all[name] : undefined),
    flag: (name) => all[name] === true,
    text: (name) => (typeof all[name] === 'string' ? all[name] : ''),
  }
}

function read(json: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json || '{}')
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
