import type { MonotonicClock } from '../base/clock.ts'

export interface RoomVacuumOptions {
  readonly clock: MonotonicClock
  /** Resolves with how many rows fit into what the rooms take then; with nothing when it may not be done. */
  readonly vacuum: () => Promise<number | undefined>
  readonly onError: (error: unknown, name: string) => void
}

/** For fewer claims of this server it is never worth it. */
const leastDue = 2000

/**
 * It is due when so many have been claimed as fit into this part of the rooms. So they grow by little, with a short queue or
 * a long one; and where the rows have to stay, because an open transaction may see them, it comes ever more rarely.
 */
const duePart = 0.2

/** How long it is left alone when it failed, or was not allowed, in milliseconds. */
const pauseMs = 60_000

/** Has the rooms that requests pass through vacuumed as often as many have passed. */
export class RoomVacuum {
  readonly #options: RoomVacuumOptions
  #passed = 0
  #dueAfter = leastDue
  #notBefore = -Infinity
  #isVacuuming = false

  constructor(options: RoomVacuumOptions) {
    this.#options = options
  }

  /** So many requests were claimed. */
  note(amount: number): void {
    this.#passed += amount
    if (this.#passed < this.#dueAfter || this.#isVacuuming) return
    if (this.#options.clock() < this.#notBefore) return
    this.#passed = 0
    void this.#vacuum()
  }

  async #vacuum(): Promise<void> {
    const { clock, vacuum, onError } = this.#options
    this.#isVacuuming = true
    try {
      const capacity = await vacuum()
      if (capacity === undefined) this.#notBefore = clock() + pauseMs
      else this.#dueAfter = Math.max(leastDue, duePart * capacity)
    } catch (error) {
      onError(error, 'vacuum')
      this.#notBefore = clock() + pauseMs
    }
    this.#isVacuuming = false
  }
}
