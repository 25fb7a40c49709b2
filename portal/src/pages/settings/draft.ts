import type { Change, Key, Settings, Value } from './queries'
import { editable, valueOf } from './queries'

/** What was filled in and is not saved, by the settings' keys. */
export type Draft = Partial<Record<Key, Value>>

/** What of a draft differs from what is kept and may be changed: that alone is sent. */
export function changed(all: Settings, draft: Draft): Change {
  const differs = Object.entries(draft).filter(([name, value]) => {
    const key = name as Key // of a draft, whose keys are no others
    const now = valueOf(all, key)
    return editable(all, key) && value !== (now ?? '')
  })
  return Object.fromEntries(differs)
}

/** The setting that a refusal is about: the server names it first. */
export function keyIn(message: string, keys: Key[]): Key | undefined {
  const words = message.split(/[^a-z0-9_]+/)
  return keys.find((key) => words.includes(key))
}
