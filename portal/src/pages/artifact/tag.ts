/** Whether a tag may be called so: as the distribution specification has it. */
export function validTag(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(name)
}
