import type { OtherIncarnation } from '../db/other-incarnations.ts'

/** The last that was seen of an incarnation, and since when nothing else was. */
interface Sight {
  readonly since: number
  readonly beat: string | null
  readonly sessions: number
  /** When it may be declared lost if nothing else is seen until then. */
  readonly lostAt: number
}

/**
 * Watches the other incarnations through what one server sees of them. One whose beat does not change, or that no
 * session proves, without a break for its `lostAfterMs`, by this server's own clock, may be declared lost. Time counts
 * only from when this server itself saw it so first, and anew after each failed look.
 *
 * A database that starts anew, or another one that takes over, has freed all locks at once. Whom nobody has seen
 * since may still wait for the database where it was, and gets its `outageGraceMs` on top, from when this era of
 * the database was first seen.
 */
export class Watcher {
  readonly #lostAfterMs: number
  #sights = new Map<string, Sight>()
  /** Seen in this era, as long as not everybody has been seen; then undefined. */
  #seen: Set<string> | undefined = new Set()
  #eraSince = 0
  #lookedAt = -Infinity

  /** @param lostAfterMs this server's own; the longer of the two counts */
  constructor(lostAfterMs: number) {
    this.#lostAfterMs = lostAfterMs
  }

  /** This is not the database that was seen before, or none was. @param since when it was first seen by anybody */
  beginEra(since: number): void {
    this.#eraSince = since
    this.#seen = new Set()
    this.forget()
  }

  /** Nothing could be seen: anybody may have proved itself meanwhile. */
  forget(): void {
    this.#sights.clear()
  }

  /**
   * Takes in what one look has seen.
   * @param sentAt when the look was sent
   * @param receivedAt when its answer came
   * @returns those to declare lost
   */
  observe(
    others: readonly OtherIncarnation[],
    sentAt: number,
    receivedAt: number,
  ): OtherIncarnation[] {
    for (const { id, beat } of others) if (beat !== null) this.#seen?.add(id)
    this.#sights = new Map(others.map(other => [other.id, this.#see(other, receivedAt)]))
    this.#lookedAt = sentAt
    if (others.every(({ beat }) => beat !== null)) this.#seen = undefined
    return others.filter(({ id }) => (this.#sights.get(id)?.lostAt ?? Infinity) <= sentAt)
  }

  /** When the next one may be declared lost if it goes on as it is: then it is worth a look. Infinity when nobody may. */
  get nextLossAt(): number {
    const moments = [...this.#sights.values()].map(({ lostAt }) => lostAt)
    return Math.min(...moments.filter(lostAt => lostAt > this.#lookedAt))
  }

  #see(other: OtherIncarnation, now: number): Sight {
    const { id, beat, sessions } = other
    const known = this.#sights.get(id)
    const isSame = known?.beat === beat && known.sessions === sessions
    const since = isSame ? known.since : now
    return { since, beat, sessions, lostAt: this.#lossOf(other, since) }
  }

  #lossOf({ id, lostAfterMs, outageGraceMs }: OtherIncarnation, since: number): number {
    const boundMs = Math.max(lostAfterMs, this.#lostAfterMs)
    const isSeen = this.#seen === undefined || this.#seen.has(id)
    return Math.max(since, isSeen ? since : this.#eraSince + outageGraceMs) + boundMs
  }
}
