import { monotonic } from './base/clock.ts'
import { Loop } from './base/loop.ts'

/** How often the database is asked at first and at last, in milliseconds. */
const pollMs = { first: 10, last: 500 }

interface Waiting {
  readonly id: string
  readonly since: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Waits for any number of requests with one statement per look. */
export class Waiter {
  readonly #findFinished: (ids: string[]) => Promise<string[]>
  readonly #isTransient: (error: unknown) => boolean
  readonly #waiting = new Set<Waiting>()
  #loop: Loop | undefined

  constructor(
    findFinished: (ids: string[]) => Promise<string[]>,
    isTransient: (error: unknown) => boolean,
  ) {
    this.#findFinished = findFinished
    this.#isTransient = isTransient
  }

  /** Resolves with true when the request has finished, with false when the signal is aborted before. */
  async wait(id: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    const waiting = { id, since: monotonic(), resolve: () => resolve(true), reject }
    const giveUp = (): void => resolve(false)
    signal.addEventListener('abort', giveUp, { once: true })
    this.#waiting.add(waiting)
    this.#look()
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', giveUp)
      this.#waiting.delete(waiting)
      if (this.#waiting.size === 0) this.#stop()
    }
  }

  /** A request has just finished here: whoever waits for it need not wait for the next look. */
  tell(id: string): void {
    for (const waiting of this.#waiting) if (waiting.id === id) waiting.resolve()
  }

  #look(): void {
    this.#loop ??= new Loop({
      name: 'wait',
      pass: () => this.#pass(),
      onError: error => this.#fail(error),
    })
    this.#loop.start()
    this.#loop.wake()
  }

  async #pass(): Promise<number> {
    const finished = new Set(await this.#findFinished([...this.#waiting].map(({ id }) => id)))
    for (const waiting of this.#waiting) if (finished.has(waiting.id)) waiting.resolve()
    // The longer the youngest has waited, the longer the pause.
    const waitedMs = Math.min(...[...this.#waiting].map(({ since }) => monotonic() - since))
    return Math.min(Math.max(waitedMs / 4, pollMs.first), pollMs.last)
  }

  /** A database that is away comes back; any other failure would come again and again. */
  #fail(error: unknown): void {
    if (this.#isTransient(error)) return
    for (const waiting of this.#waiting) waiting.reject(error)
  }

  /** Does not wait for a look that is under way: on a dead connection it may take long. */
  #stop(): void {
    void this.#loop?.stop()
    this.#loop = undefined
  }
}
