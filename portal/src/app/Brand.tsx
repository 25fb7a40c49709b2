/** The sign: a mooring of two posts, in the water. */
export function Brand({ size = 26 }: { size?: number }) {
  return <img src="/berth.svg" width={size} height={size} alt="" />
}
