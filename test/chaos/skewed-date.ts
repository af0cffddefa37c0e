/**
 * Gives this program another wall clock than the machine's, as a server whose clock is wrong has.
 * @returns sets how far it is ahead, in milliseconds
 */
export function skewClock(): (aheadMs: number) => void {
  const Real = Date
  let ahead = 0
  const now = (): number => Real.now() + ahead
  class SkewedDate extends Real {
    constructor(...given: [] | [value: number | string | Date]) {
      if (given.length === 0) super(now())
      else super(...given)
    }
    static override now(): number {
      return now()
    }
  }
  globalThis.Date = SkewedDate as DateConstructor
  return aheadMs => {
    ahead = aheadMs
  }
}
