/** How much is done in one run. */
export interface Plan {
  readonly rounds: number
  /** The part of each case's full amount. */
  readonly scale: number
}

/** So much of the full amount, in whole hundreds, and at least a hundred. */
export function amountOf({ scale }: Plan, full: number, share = 1): number {
  return Math.max(100, Math.round((full * scale * share) / 100) * 100)
}

/** So much of the full time, and at least a quarter of a second. */
export function millisecondsOf({ scale }: Plan, full: number): number {
  return Math.max(250, Math.round(full * Math.min(1, scale)))
}
