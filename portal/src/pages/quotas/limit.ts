import { parseBytes } from '~/parts/numbers'

const most = 1024 ** 5 // bytes, as the API has it

/** A limit as it is typed, in bytes; NaN: the API takes no such one. */
export function limitOf(text: string): number {
  const n = parseBytes(text)
  return n >= 1 && n <= most ? n : NaN
}
