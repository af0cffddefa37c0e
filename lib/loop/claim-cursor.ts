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

  /** Whether the last claim was a full one. */
  get isBehind(): boolean {
    return this.#after.size > 0
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
    if (this.#isBackDue()) this.#after = new Map()
    const after = this.#after
    const isFromBeginning = after.size === 0
    const askedAt = clock()
    if (isFromBeginning) {
      this.#begunAt = askedAt
      this.#isNewThere = false
    }
    const claimed = await work(after)
    if (isFromBeginning) this.#tookMs = clock() - askedAt
    // Where claims have gone back to the beginning meanwhile, this one no longer says where they are.
    if (after === this.#after) this.#move(claimed, limit)
    return { claimed, mayBeMore: claimed.length === limit || !isFromBeginning }
  }

  #move(claimed: readonly Claimed[], limit: number): void {
    if (claimed.length < limit) {
      this.#after = new Map()
      return
    }
    const last = new Map(claimed.map(({ lane, rank, id }) => [lane, { rank, id }]))
    // Of two claims at the same time, the one that took what comes first may be answered last.
    for (const [lane, place] of last)
      if (isBehind(place, this.#after.get(lane))) this.#after.set(lane, place)
  }

  #isBackDue(): boolean {
    const { clock, longestMs } = this.#options
    const sinceMs = clock() - this.#begunAt
    return sinceMs >= longestMs || (this.#isNewThere && sinceMs >= this.#tookMs / beginningPart)
  }
}

function isBehind(place: ClaimPlace, other: ClaimPlace | undefined): boolean {
  if (!other || place.rank !== other.rank) return !other || place.rank > other.rank
  return BigInt(place.id) > BigInt(other.id)
}
