import { ledgerClock } from './ledger.ts'

const tickMs = 50

/**
 * When we are held up for longer than this, in milliseconds, a proof of life is so for seconds: it takes the turns of a
 * server, its proxy and its database's process, one after the other, several times.
 */
const mostLateMs = 150

/**
 * Notices when the machine has no time for us. It runs in this program, which does little: what holds it up for
 * long holds up the servers, too.
 */
export class Canary {
  readonly #held: { readonly fromMs: number; readonly toMs: number }[] = []
  readonly #timer: NodeJS.Timeout
  #lastMs = ledgerClock()
  #longestMs = 0

  constructor() {
    this.#timer = setInterval(() => this.#look(), tickMs)
  }

  /** The longest time that we were held up, in milliseconds. */
  get longestMs(): number {
    return this.#longestMs
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Whether the machine had no time for us for a moment between these two. */
  wasHeldUp(fromMs: number, toMs: number): boolean {
    return this.#held.some(held => held.fromMs <= toMs && held.toMs >= fromMs)
  }

  #look(): void {
    const now = ledgerClock()
    const lateMs = now - this.#lastMs - tickMs
    this.#longestMs = Math.max(this.#longestMs, lateMs)
    if (lateMs > mostLateMs) this.#held.push({ fromMs: this.#lastMs, toMs: now })
    this.#lastMs = now
  }
}
