import type { Readable } from 'node:stream'
import type { Stored } from './store.ts'

/** The writes of one attempt, so that sealing waits for them and discarding ends them. */
export class WritesUnderWay {
  readonly #running = new Set<Promise<unknown>>()
  readonly #abort = new AbortController()
  #isOver = false

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
      const writing = write(AbortSignal.any([signal, this.#abort.signal]))
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
}
