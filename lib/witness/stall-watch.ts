import type { MonotonicClock } from '../base/clock.ts'
import { ClusterError } from '../errors.ts'

/**
 * Sees from the witness's thread whether the main thread still moves. One that stands still for a while is only busy;
 * one that does so for good must not be called alive, because nothing that it runs will ever end.
 */
export class StallWatch {
  readonly #ticks: Int32Array
  readonly #limitMs: number
  readonly #clock: MonotonicClock
  #seenTicks = 0
  #lookedAt: number
  #stillMs = 0

  /** @param ticks counted up by the main thread */
  constructor(ticks: Int32Array, limitMs: number, clock: MonotonicClock) {
    this.#ticks = ticks
    this.#limitMs = limitMs
    this.#clock = clock
    this.#lookedAt = clock()
  }

  /** Looks whether the main thread has moved since the last look. @returns why the server counts as dead, if so */
  look(): ClusterError | undefined {
    const ticks = Atomics.load(this.#ticks, 0)
    const now = this.#clock()
    // When the whole process stood still, that is not the main thread's fault.
    const sinceMs = Math.min(now - this.#lookedAt, longestGapMs)
    this.#stillMs = ticks === this.#seenTicks ? this.#stillMs + sinceMs : 0
    this.#seenTicks = ticks
    this.#lookedAt = now
    if (this.#stillMs <= this.#limitMs) return undefined
    return new ClusterError(
      'CW_NODE_LOST',
      `the server's event loop has been blocked for ${Math.round(this.#stillMs / 1000)} s, so it counts as dead; look for a function step that computes or waits without giving way`,
    )
  }
}

/** Between two looks, in milliseconds. */
const longestGapMs = 5000
