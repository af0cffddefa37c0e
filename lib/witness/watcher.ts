import type { OtherIncarnation } from '../db/pulse.ts'

interface Silence {
  readonly since: number
  readonly sessions: number
}

/**
 * Watches the other incarnations through what one server sees of them. One that is silent without a break for its
 * `lostAfterMs`, by this server's own clock, may be declared lost. Time counts only from when this server itself saw
 * the silence, and anew after each failed look.
 *
 * A database that starts anew, or another one that takes over, has freed all locks at once. Whom nobody has seen
 * since may still wait for the database where it was, and gets its `outageGraceMs` on top, from when this era of
 * the database was first seen.
 */
export class Watcher {
  readonly #lostAfterMs: number
  #silences = new Map<string, Silence>()
  /** Seen in this era, as long as not everybody has been seen; then undefined. */
  #seen: Set<string> | undefined = new Set()
  #eraSince = 0

  /** @param lostAfterMs this server's own; the longer of the two counts */
  constructor(lostAfterMs: number) {
    this.#lostAfterMs = lostAfterMs
  }

  /** Which other incarnations the next look must tell of. */
  get asksFor(): 'silent' | 'all' {
    return this.#seen ? 'all' : 'silent'
  }

  /** This is not the database that was seen before, or none was. @param since when it was first seen by anybody */
  beginEra(since: number): void {
    this.#eraSince = since
    this.#seen = new Set()
    this.forget()
  }

  /** Nothing could be seen: whoever was silent may have proved itself meanwhile. */
  forget(): void {
    this.#silences.clear()
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
    const silent = others.filter(other => other.isSilent)
    this.#silences = new Map(
      silent.map(({ id, sessions }) => {
        const known = this.#silences.get(id)
        return [id, known?.sessions === sessions ? known : { since: receivedAt, sessions }]
      }),
    )
    for (const { id, isSilent } of others) if (!isSilent) this.#seen?.add(id)
    const lost = silent.filter(other => this.#isLost(other, sentAt))
    if (silent.length === 0) this.#seen = undefined
    return lost
  }

  #isLost({ id, lostAfterMs, outageGraceMs }: OtherIncarnation, sentAt: number): boolean {
    const boundMs = Math.max(lostAfterMs, this.#lostAfterMs)
    const since = this.#silences.get(id)?.since ?? sentAt
    if (sentAt - since < boundMs) return false
    const isSeen = this.#seen === undefined || this.#seen.has(id)
    return isSeen || sentAt - this.#eraSince >= outageGraceMs + boundMs
  }
}
