/** The middle of some numbers, and how far they reach. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** @throws {RangeError} for no numbers */
export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0), high: quantile(sorted, 1) }
}

/** @param sorted ascending; between two of them the value is interpolated */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  if (sorted.length === 0) throw new RangeError('expected at least one number')
  const place = (sorted.length - 1) * part
  const below = sorted[Math.floor(place)] ?? 0
  const above = sorted[Math.ceil(place)] ?? 0
  return below + (above - below) * (place - Math.floor(place))
}
