import type { Readable } from 'node:stream'
import type { Stored } from './store.ts'

/** The writes of one attempt, so that sealing waits for them and discarding ends them. */
export class WritesUnderWay {
  readonly #running = new Set<Promise<unknown>>()
  readonly #abort = new AbortController()
  #isOver = false
  #joined: { readonly given: AbortSignal; readonly signal: AbortSignal } | undefined

  /** Begins a write, whose signal is also aborted when all are. */
  async run(
    content: Readable,
    signal: AbortSignal,
    write: (signal: AbortSignal) => Promise<Stored>,
  ): Promise<Stored> {
    try {
      if (this.#isOver)
        throw new Error('nothing can be written after the attempt was sealed or discarded')
      signal.throwIfAborted()
      const writing = write(this.#join(signal))
      this.#running.add(writing)
      try {
        return await writing
      } finally {
        this.#running.delete(writing)
      }
    } finally {
      content.destroy()
    }
  }

  /** Lets no more begin, and resolves when those under way have ended. */
  async end(): Promise<void> {
    this.#isOver = true
    await Promise.allSettled(this.#running)
  }

  async abort(): Promise<void> {
    this.#abort.abort(new Error('the attempt was discarded'))
    await this.end()
  }

  /** All files of an attempt come with one signal; to join it anew for each of 20,000 made the server grow by 30 MiB. */
  #join(given: AbortSignal): AbortSignal {
    if (this.#joined?.given !== given)
      this.#joined = { given, signal: AbortSignal.any([given, this.#abort.signal]) }
    return this.#joined.signal
  }
}
