export interface CarrierOptions<Item, Answer> {
  /** Writes the items: all of them, or none. Gives the answer for each, in their order. */
  write: (items: readonly Item[]) => Promise<readonly Answer[]>
  /** How many items one write takes at the most. */
  largest: number
  /** How many of these, from the first on, may be written together; at least one. */
  countFitting: (items: readonly Item[]) => number
  /** Whether the failure is about what the items are, so that it is certain that none was written. */
  isRefusal: (error: unknown) => boolean
  /** A write that takes longer, in milliseconds, holds up the next one no more. */
  patienceMs: number
}

/** An item with its caller. */
interface Waiting<Item, Answer> {
  readonly item: Item
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/**
 * Collects what callers write one by one while a write is under way, and sends it together: alone an item goes out at
 * once, under load one statement and its commit serve many callers. Items are written in the order of `add`.
 *
 * Unlike a batcher it never repeats what may have been written: callers are told, and know better. Only what was refused
 * is tried again, in halves, so that one wrong item fails alone. A write that hangs on its connection keeps waiting only
 * those that are in it.
 */
export class Carrier<Item, Answer> {
  readonly #options: CarrierOptions<Item, Answer>
  #waiting: Waiting<Item, Answer>[] = []
  #isHeldUp = false

  constructor(options: CarrierOptions<Item, Answer>) {
    this.#options = options
  }

  /** Resolves with the item's answer when it has been written; rejects with why it was not, or why nobody knows. */
  add(item: Item): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#waiting.push({ item, resolve, reject })
    if (!this.#isHeldUp) this.#sendSoon()
    return promise
  }

  #sendSoon(): void {
    this.#isHeldUp = true
    // Behind all that is ready to run: callers that were answered together often ask together again.
    process.nextTick(() => void this.#sendNext())
  }

  async #sendNext(): Promise<void> {
    const { largest, countFitting, patienceMs } = this.#options
    const next = this.#waiting.slice(0, largest)
    const batch = next.slice(0, countFitting(next.map(({ item }) => item)))
    this.#waiting = this.#waiting.slice(batch.length)
    let isNextFree = false
    const freeNext = (): void => {
      if (isNextFree) return
      isNextFree = true
      this.#isHeldUp = false
      if (this.#waiting.length > 0) this.#sendSoon()
    }
    const timer = setTimeout(freeNext, patienceMs)
    await this.#write(batch)
    clearTimeout(timer)
    freeNext()
  }

  async #write(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.write(batch.map(({ item }) => item))
      for (const [index, caller] of batch.entries()) caller.resolve(answers[index] as Answer)
    } catch (error) {
      if (batch.length === 1 || !this.#options.isRefusal(error)) {
        for (const caller of batch) caller.reject(error)
        return
      }
      const half = Math.ceil(batch.length / 2)
      await this.#write(batch.slice(0, half))
      await this.#write(batch.slice(half))
    }
  }
}
