import type { MonotonicClock } from '../base/clock.ts'

export interface RoomVacuumOptions {
  readonly clock: MonotonicClock
  /** Resolves with whether it could be done. */
  readonly vacuum: () => Promise<boolean>
  readonly onError: (error: unknown, name: string) => void
}

/** After so many claims of this server it is worth it. */
const dueAfter = 10_000

/** It takes no more than this part of the time: what an open transaction keeps is looked at in vain. */
const share = 0.02

/** How long it is left alone when it failed, or was not allowed, in milliseconds. */
const pauseMs = 60_000

/** Has the rooms that requests pass through vacuumed as often as many have passed. */
export class RoomVacuum {
  readonly #options: RoomVacuumOptions
  #passed = 0
  #notBefore = -Infinity
  #isVacuuming = false

  constructor(options: RoomVacuumOptions) {
    this.#options = options
  }

  /** So many requests were claimed. */
  note(amount: number): void {
    this.#passed += amount
    if (this.#passed < dueAfter || this.#isVacuuming) return
    if (this.#options.clock() < this.#notBefore) return
    this.#passed = 0
    void this.#vacuum()
  }

  async #vacuum(): Promise<void> {
    const { clock, vacuum, onError } = this.#options
    const startedAt = clock()
    this.#isVacuuming = true
    try {
      const isDone = await vacuum()
      const tookMs = clock() - startedAt
      this.#notBefore = clock() + (isDone ? tookMs * (1 / share - 1) : pauseMs)
    } catch (error) {
      onError(error, 'vacuum')
      this.#notBefore = clock() + pauseMs
    }
    this.#isVacuuming = false
  }
}
