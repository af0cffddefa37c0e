/** Gives this program another wall clock than the machine's, which is so many milliseconds ahead. */
export function skewClock(aheadMs: number): void {
  const Real = Date
  class SkewedDate extends Real {
    constructor(...given: [] | [value: number | string | Date]) {
      if (given.length === 0) super(SkewedDate.now())
      else super(...given)
    }

    static override now(): number {
      return new Real().getTime() + aheadMs
    }
  }
  globalThis.Date = SkewedDate as DateConstructor
}
