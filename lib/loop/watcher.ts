import type { MonotonicClock } from '../base/clock.ts'
import { jitter } from '../base/random.ts'
import type { NextPass } from '../base/loop.ts'

export interface WatcherOptions {
  readonly lostAfterMs: number
  readonly clock: MonotonicClock
  /** The incarnations that should be alive but do not prove it. */
  findSilent(): Promise<Silent[]>
  /** The requests that failed with it; undefined when another server was faster. */
  declareLost(incarnation: string): Promise<string[] | undefined>
  onLost(lost: { node: string; incarnation: string; failed: string[] }): void
  /** Called with what a declaration threw; the next look tries it again. */
  onError(error: unknown): void
}

interface Silent {
  id: string
  node: string
}

/** How often to look, as a part of `lostAfter`. */
const lookPart = 0.2

/**
 * Watches the other servers in the database. One that is silent for `lostAfter`, by this server's own monotonic
 * clock, is declared lost. Time counts only from when this server itself saw the silence, and anew after each
 * failed look: a database that restarts makes everybody look silent for a moment and must not kill anybody. A
 * declaration that fails is no failed look: it concerns one server, and neither stops nor delays the others'.
 */
export class Watcher {
  readonly #options: WatcherOptions
  #silentSince = new Map<string, number>()

  constructor(options: WatcherOptions) {
    this.#options = options
  }

  async pass(): Promise<NextPass> {
    const { lostAfterMs, clock } = this.#options
    const silent = await this.#look()
    const now = clock()
    this.#silentSince = new Map(silent.map(({ id }) => [id, this.#silentSince.get(id) ?? now]))
    for (const one of silent)
      if (now - (this.#silentSince.get(one.id) ?? now) >= lostAfterMs) await this.#declare(one)
    return jitter(lostAfterMs * lookPart, 0.2)
  }

  async #look(): Promise<Silent[]> {
    try {
      return await this.#options.findSilent()
    } catch (error) {
      this.#silentSince.clear()
      throw error
    }
  }

  async #declare({ id, node }: Silent): Promise<void> {
    try {
      const failed = await this.#options.declareLost(id)
      if (failed) this.#options.onLost({ node, incarnation: id, failed })
    } catch (error) {
      this.#options.onError(error)
    }
  }
}
