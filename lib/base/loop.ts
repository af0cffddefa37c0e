import { jitter } from './random.ts'

/**
 * What one pass asks for: the next pass after so many milliseconds, or only when somebody calls `wake`. One that asks for
 * the next at once must have waited for something itself, so that others get their turn.
 */
export type NextPass = number | 'when woken'

export interface LoopOptions {
  /** For the log. */
  name: string
  /** One pass. It never runs twice at the same time. */
  pass(): Promise<NextPass>
  /** Called with what a pass threw; the next pass comes after a pause that grows with each failure in a row. */
  onError(error: unknown, name: string): void
}

/** The first pause after a failed pass and the longest one, in milliseconds. */
const backoff = { first: 100, longest: 5000 }

/** The one loop: everything that a server does for ever is a pass that says when the next one is due. */
export class Loop {
  readonly #options: LoopOptions
  #running: Promise<void> | undefined
  #stopped = false
  #woken = false
  #endPause: (() => void) | undefined

  constructor(options: LoopOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Lets the next pass come at once; during a pass, right after it. */
  wake(): void {
    this.#woken = true
    const endPause = this.#endPause
    this.#endPause = undefined
    endPause?.()
  }

  /** Resolves when the pass that is under way has ended; no other one follows. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#endPause?.()
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#stopped) {
      this.#woken = false
      let next: NextPass
      try {
        next = await this.#options.pass()
        failures = 0
      } catch (error) {
        this.#options.onError(error, this.#options.name)
        next = jitter(Math.min(backoff.first * 2 ** failures++, backoff.longest), 0.5)
      }
      await this.#pause(next)
    }
  }

  async #pause(next: NextPass): Promise<void> {
    // A timer would wait for a millisecond.
    if (this.#woken || this.#stopped || next === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = next === 'when woken' ? undefined : setTimeout(resolve, next)
    this.#endPause = resolve
    await promise
    this.#endPause = undefined
    clearTimeout(timer)
  }
}
