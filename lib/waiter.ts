import { monotonic } from './base/clock.ts'
import { Loop } from './base/loop.ts'

/** How often the database is asked at first and at last, in milliseconds. */
const pollMs = { first: 10, last: 500 }

interface Waiting {
  readonly id: string
  readonly since: number
  readonly resolve: () => void
}

/** Waits for any number of requests with one statement per look. */
export class Waiter {
  readonly #findFinished: (ids: string[]) => Promise<string[]>
  readonly #waiting = new Set<Waiting>()
  #loop: Loop | undefined

  constructor(findFinished: (ids: string[]) => Promise<string[]>) {
    this.#findFinished = findFinished
  }

  /** Resolves with true when the request has finished, with false when the signal is aborted before. */
  async wait(id: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiting = { id, since: monotonic(), resolve: () => resolve(true) }
    const giveUp = (): void => resolve(false)
    signal.addEventListener('abort', giveUp, { once: true })
    this.#waiting.add(waiting)
    this.#look()
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', giveUp)
      this.#waiting.delete(waiting)
      if (this.#waiting.size === 0) await this.#stop()
    }
  }

  /** A request has just finished here: whoever waits for it need not wait for the next look. */
  tell(id: string): void {
    for (const waiting of this.#waiting) if (waiting.id === id) waiting.resolve()
  }

  #look(): void {
    this.#loop ??= new Loop({ name: 'wait', pass: () => this.#pass(), onError: () => undefined })
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

  async #stop(): Promise<void> {
    const loop = this.#loop
    this.#loop = undefined
    await loop?.stop()
  }
}
