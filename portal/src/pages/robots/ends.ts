const day = 86_400

/** In how many days something ends that ends at a moment, in seconds since 1970; negative: it has ended. */
export function daysLeft(expires: number, now: Date): number {
  return Math.floor((expires - now.getTime() / 1000) / day)
}

/** The moment at which a robot ends that was made at a moment, or undefined: never. */
export function endOf(created: Date, days: number): Date | undefined {
  return days > 0 ? new Date(created.getTime() + days * day * 1000) : undefined
}
