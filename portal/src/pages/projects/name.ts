/** Whether a project may be called so: as the API has it. */
export function validName(name: string): boolean {
  return name.length <= 255 && /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(name)
}
