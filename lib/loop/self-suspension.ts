import { jitter } from '../base/random.ts'
import { Loop, type NextPass } from '../base/loop.ts'

export interface SelfSuspensionOptions {
  /** For the log. */
  readonly name: string
  /** Puts the reason on this server's stack. */
  readonly set: (reason: string) => Promise<void>
  /** Takes it off again. */
  readonly clear: () => Promise<void>
  /** Tries what did not work; rejects as long as it does not. */
  readonly probe: () => Promise<void>
  readonly onError: (error: unknown, name: string) => void
}

/** The first pause between two probes and the longest one, in milliseconds. */
const backoff = { first: 1000, longest: 60_000 }

/**
 * A server that suspends itself for one kind of reason, tries with growing pauses whether the cause is gone, and then
 * clears the reason itself.
 */
export class SelfSuspension {
  readonly #options: SelfSuspensionOptions
  readonly #loop: Loop
  #reason: string | undefined
  #isSet = false
  #pauseMs = backoff.first

  constructor(options: SelfSuspensionOptions) {
    this.#options = options
    this.#loop = new Loop({ ...options, pass: () => this.#pass() })
  }

  start(): void {
    this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** Something that this server needs does not work: suspend it, unless it is. */
  report(reason: string): void {
    this.#begin(reason, false)
  }

  /** The reason is on the stack already, from an earlier life: try whether its cause is gone. */
  adopt(reason: string): void {
    this.#begin(reason, true)
  }

  /** Somebody has cleared the stack: suspend anew when it is reported anew. */
  forget(): void {
    this.#reason = undefined
  }

  #begin(reason: string, isSet: boolean): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#isSet = isSet
    this.#pauseMs = backoff.first
    this.#loop.wake()
  }

  async #pass(): Promise<NextPass> {
    const { set, clear } = this.#options
    if (this.#reason === undefined) return 'when woken'
    if (!this.#isSet) {
      await set(this.#reason)
      this.#isSet = true
    } else if (await this.#works()) {
      await clear()
      this.#reason = undefined
      return 'when woken'
    }
    const pauseMs = jitter(this.#pauseMs, 0.2)
    this.#pauseMs = Math.min(this.#pauseMs * 2, backoff.longest)
    return pauseMs
  }

  async #works(): Promise<boolean> {
    return this.#options.probe().then(
      () => true,
      () => false,
    )
  }
}
