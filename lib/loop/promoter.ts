import type { MonotonicClock } from '../base/clock.ts'
import { Loop, type NextPass } from '../base/loop.ts'
import type { Promotion } from '../db/promote.ts'

export interface PromoterOptions {
  readonly clock: MonotonicClock
  readonly promote: () => Promise<Promotion>
  readonly onPromoted: () => void
  readonly onError: (error: unknown, name: string) => void
}

/** Promotes requests whose time has come. When that is, is told from outside, and by each promotion. */
export class Promoter {
  readonly #options: PromoterOptions
  readonly #loop: Loop
  #dueAt = Infinity

  constructor(options: PromoterOptions) {
    this.#options = options
    this.#loop = new Loop({
      name: 'promote',
      pass: () => this.#pass(),
      onError: options.onError,
    })
  }

  start(): void {
    this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** @param dueInMs when the next scheduled request is due; null when there is none */
  expect(dueInMs: number | null): void {
    const { clock } = this.#options
    this.#dueAt = dueInMs === null ? Infinity : clock() + dueInMs
    if (dueInMs !== null) this.#loop.wake()
  }

  async #pass(): Promise<NextPass> {
    const { clock, promote, onPromoted } = this.#options
    const waitMs = this.#dueAt - clock()
    if (waitMs > 0) return waitMs < longestWaitMs ? waitMs : 'when woken'
    const { moved, isFull, nextInMs } = await promote()
    this.#dueAt = nextInMs === null ? Infinity : clock() + nextInMs
    if (moved > 0) onPromoted()
    return isFull ? 0 : Math.min(nextInMs ?? longestWaitMs, longestWaitMs)
  }
}

/** Nearer than that a timer waits for it; until then the looks tell of it again and again. In milliseconds. */
const longestWaitMs = 60_000
