/** Colours that a label can be given with one click. */
export const palette = ['#17728f', '#1f7a4d', '#5b6f00', '#a15c00', '#b3261e', '#a6266b', '#6a3fb5', '#33539e', '#4a5761', '#8fd0e0', '#a8dcb5', '#f2d675', '#f5b38a', '#f3a6a0', '#cfbdf2', '#d2d9de']

const rgb = /^#[0-9a-f]{6}$/i

/** Whether a colour is one that a label is shown in; the API keeps others that clients once knew by name. */
export function isColor(color: string): boolean {
  return rgb.test(color)
}
