import { randomUUID } from 'node:crypto'
import type { MonotonicClock } from '../base/clock.ts'
import type { NextPass } from '../base/loop.ts'
import type { ClaimPlace, Claimed } from '../db/claim.ts'
import { ClaimCursor } from './claim-cursor.ts'

export interface ClaimerOptions {
  readonly clock: MonotonicClock
  readonly freeSlots: () => number
  /** @param after behind which request of each lane it begins */
  claim(limit: number, token: string, after: ReadonlyMap<number, ClaimPlace>): Promise<Claimed[]>
  /** What a claim took whose answer was lost. */
  readBack(token: string): Promise<Claimed[]>
  start(claimed: Claimed, token: string): void
  /** How long to wait before the token of a claim is read back once more, in milliseconds. */
  readonly retryMs: number
}

/** How many requests one claim takes at the most, so that the statement stays short. */
const largestClaim = 1000

/**
 * How long the token of a claim whose answer was lost is read back, in milliseconds: the database may still be about
 * to do what the broken connection asked. Counts from the last look that failed, because a claim may wait for a
 * standby for as long as the looks do.
 */
const readBackMs = 60_000

/**
 * Claims as many requests as there are free slots. A claim is a start: there is no prefetch. Of two claims at the same
 * time, each has free slots of its own.
 *
 * When the answer to a claim is lost, nobody knows whether it happened, so its token is read back. What it took was
 * never started, because only an answer starts a run; each request found is started once.
 */
export class Claimer {
  readonly #options: ClaimerOptions
  readonly #cursor: ClaimCursor
  readonly #unanswered = new Map<string, { since: number; started: Set<string> }>()
  readonly #passing = new Set<Promise<NextPass>>()
  /** For how many slots claims are under way. */
  #asked = 0
  #hasLookedInVain = false

  constructor(options: ClaimerOptions) {
    this.#options = options
    this.#cursor = new ClaimCursor({ clock: options.clock, longestMs: options.retryMs })
  }

  /** There may be requests that go before those that were claimed last. */
  rewind(): void {
    this.#cursor.rewind()
  }

  /**
   * Whether a slot that becomes free is a reason to claim. When the last claim found less than it had slots for, it is
   * none; after one that failed it is: it shows that the database answers again.
   */
  get wantsSlots(): boolean {
    return !this.#hasLookedInVain || this.#unanswered.size > 0 || this.#cursor.isBehind
  }

  pass(): Promise<NextPass> {
    return this.#note(this.#pass())
  }

  /** The next claim beside another one, while both can be full. */
  passBeside(): Promise<NextPass> {
    return this.#note(this.#passBeside())
  }

  /**
   * Resolves when everything that earlier claims took has been started, also by claims whose answer was lost. To be
   * called when the database takes no more claims: what it has not done by then it does not do later either.
   * @throws when the database cannot be asked
   */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#passing)
    for (const token of this.#unanswered.keys()) await this.#readBack(token)
  }

  #note(passing: Promise<NextPass>): Promise<NextPass> {
    this.#passing.add(passing)
    const forget = (): void => void this.#passing.delete(passing)
    passing.then(forget, forget)
    return passing
  }

  async #pass(): Promise<NextPass> {
    for (const token of this.#unanswered.keys()) await this.#readBack(token)
    const limit = Math.min(this.#free, largestClaim)
    const mayBeMore = limit > 0 && (await this.#claim(limit))
    this.#hasLookedInVain = limit > 0 && !mayBeMore
    if (mayBeMore) return 0
    return this.#unanswered.size > 0 ? this.#options.retryMs : 'when woken'
  }

  async #passBeside(): Promise<NextPass> {
    const isWorthIt = this.#cursor.isBehind && this.#free >= largestClaim
    return isWorthIt && (await this.#claim(largestClaim)) ? 0 : 'when woken'
  }

  /** The slots that are free, and that no claim asks for. */
  get #free(): number {
    return this.#options.freeSlots() - this.#asked
  }

  /** Whether there may be more to claim. */
  async #claim(limit: number): Promise<boolean> {
    const token = randomUUID()
    this.#asked += limit
    try {
      const { claimed, mayBeMore } = await this.#cursor.claim(limit, after =>
        this.#ask(limit, token, after),
      )
      for (const request of claimed) this.#options.start(request, token)
      return mayBeMore
    } finally {
      this.#asked -= limit
    }
  }

  async #ask(
    limit: number,
    token: string,
    after: ReadonlyMap<number, ClaimPlace>,
  ): Promise<Claimed[]> {
    try {
      return await this.#options.claim(limit, token, after)
    } catch (error) {
      // Whatever went wrong here, the database may have done its part.
      this.#unanswered.set(token, { since: this.#options.clock(), started: new Set() })
      throw error
    }
  }

  async #readBack(token: string): Promise<void> {
    const lost = this.#unanswered.get(token)
    if (!lost) return
    const taken = await this.#options.readBack(token).catch((error: unknown) => {
      lost.since = this.#options.clock()
      throw error
    })
    for (const request of taken) {
      // A row that is read a second time may belong to a run that has ended meanwhile.
      if (lost.started.has(request.id)) continue
      lost.started.add(request.id)
      this.#options.start(request, token)
    }
    if (this.#options.clock() - lost.since > readBackMs) this.#unanswered.delete(token)
  }
}
