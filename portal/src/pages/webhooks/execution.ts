import type { Execution } from './queries'

/** What an execution was about: the API keeps that in a loose form. */
export function aboutOf(execution: Execution): { event: string; payload: string } {
  const { event_type: event, payload } = execution.extra_attrs
  return { event: typeof event === 'string' ? event : '', payload: typeof payload === 'string' ? pretty(payload) : '' }
}

/** JSON with a line for each field; what is none stays as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
