/** The roles, those that may most first, with the API's numbers. Their names are the keys role.NAME of members.json. */
export const roles = [
  { id: 1, name: 'projectAdmin' },
  { id: 4, name: 'maintainer' },
  { id: 2, name: 'developer' },
  { id: 3, name: 'guest' },
  { id: 5, name: 'limitedGuest' },
] as const

/** The role of a number, or undefined. */
export function roleOf(id: number) {
  return roles.find((role) => role.id === id)
}
