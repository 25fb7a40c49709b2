/** Colours that a label can be given with one click. */
export const palette = ['#17728f', '#1f7a4d', '#5b6f00', '#a15c00', '#b3261e', '#a6266b', '#6a3fb5', '#33539e', '#4a5761', '#8fd0e0', '#a8dcb5', '#f2d675', '#f5b38a', '#f3a6a0', '#cfbdf2', '#d2d9de']

const rgb = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i

/** Whether a colour is one that a label is shown in; the API keeps others that clients once knew by name. */
export function isColor(color: string): boolean {
  return rgb.test(color)
}

/** How light a colour is, from 0 to 1, as WCAG measures it. */
function luminance(color: string): number {
  const parts = rgb.exec(color)?.slice(1) ?? []
  const [r = 0, g = 0, b = 0] = parts.map((hex) => {
    const share = parseInt(hex, 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** The colour of a text on a colour: black or white, whichever is read more easily. */
export function textOn(color: string): '#000000' | '#ffffff' {
  const l = luminance(color)
  return (l + 0.05) / 0.05 >= 1.05 / (l + 0.05) ? '#000000' : '#ffffff'
}
