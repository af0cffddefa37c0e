import type { MonotonicClock } from '../base/clock.ts'
import type { ClaimPlace, Claimed } from '../db/claim.ts'

export interface ClaimCursorOptions {
  readonly clock: MonotonicClock
  /** How long claims may follow each other without one from the beginning, in milliseconds. */
  readonly longestMs: number
}

/** Of the time that claims take, those from the beginning may take this part when they are asked for again and again. */
const beginningPart = 0.1

/**
 * Where the next claim begins. One that follows a full one begins behind what that took: PostgreSQL cannot clear away
 * deleted rows as long as any transaction is open that may still see them, and claims from the beginning would walk over
 * more and more of them. So that nobody waits behind the cursor, claims go back to the beginning when they find less than
 * they asked for, when there is something new, and now and then.
 */
export class ClaimCursor {
  readonly #options: ClaimCursorOptions
  #after = new Map<number, ClaimPlace>()
  #isNewThere = false
  #begunAt = -Infinity
  #tookMs = 0

  constructor(options: ClaimCursorOptions) {
    this.#options = options
  }

  /** There may be requests before the cursor. */
  rewind(): void {
    this.#isNewThere = true
  }

  /**
   * Does a claim from where it should begin.
   * @param work gets the places behind which its lanes begin
   * @returns what it claimed, and whether another one may find more
   */
  async claim(
    limit: number,
    work: (after: ReadonlyMap<number, ClaimPlace>) => Promise<Claimed[]>,
  ): Promise<{ claimed: Claimed[]; mayBeMore: boolean }> {
    const { clock } = this.#options
    if (this.#isBackDue()) this.#after.clear()
    const isFromBeginning = this.#after.size === 0
    const askedAt = clock()
    if (isFromBeginning) {
      this.#begunAt = askedAt
      this.#isNewThere = false
    }
    const claimed = await work(this.#after)
    if (isFromBeginning) this.#tookMs = clock() - askedAt
    if (claimed.length < limit) this.#after.clear()
    else for (const { lane, rank, id } of claimed) this.#after.set(lane, { rank, id })
    return { claimed, mayBeMore: claimed.length === limit || !isFromBeginning }
  }

  #isBackDue(): boolean {
    const { clock, longestMs } = this.#options
    const sinceMs = clock() - this.#begunAt
    return sinceMs >= longestMs || (this.#isNewThere && sinceMs >= this.#tookMs / beginningPart)
  }
}
