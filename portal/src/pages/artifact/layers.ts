import { numberField, textField } from './values'

/** A layer, as the manifest has it. */
export interface Layer {
  digest: string
  size: number
  mediaType: string
  title: string // of the file that it is; '' of others
}

export function readLayers(document: unknown): Layer[] {
  return (Array.isArray(document) ? document : []).map((l) => ({
    digest: textField(l, 'digest'), size: numberField(l, 'size') ?? 0, mediaType: textField(l, 'media_type'), title: textField(l, 'title'),
  }))
}

/** A step of how an image was built. */
export interface Step {
  created: string
  command: string
  author: string
  comment: string
  empty: boolean // it made no layer
  layer?: number // which layer it made, from 0
}

/** The steps, each with its layer; where the numbers do not agree, nobody knows which is whose. */
export function readHistory(document: unknown, layers: number): Step[] {
  const steps = (Array.isArray(document) ? document : []).map((s): Step => ({
    created: textField(s, 'created'), command: textField(s, 'created_by'), author: textField(s, 'author'), comment: textField(s, 'comment'),
    empty: (s as { empty_layer?: unknown } | null)?.empty_layer === true,
  }))
  if (steps.filter((s) => !s.empty).length !== layers) return steps
  let next = 0
  return steps.map((s) => (s.empty ? s : { ...s, layer: next++ }))
}

/** A command as somebody wrote it, without what the builder puts around it. */
export function plainCommand(command: string): string {
  return command.replace(/^\/bin\/sh -c #\(nop\)\s*/, '').replace(/^\|\d+ .*?(?=\/bin\/sh -c )/, '').replace(/^\/bin\/sh -c /, 'RUN ').trim()
}

/** The shares of layers in the whole, in percent; the smallest can still be seen. */
export function shares(sizes: number[]): number[] {
  const total = sizes.reduce((a, b) => a + b, 0)
  return sizes.map((n) => (total === 0 ? 100 / sizes.length : (n / total) * 100))
}

