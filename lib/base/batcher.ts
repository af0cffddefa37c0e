import { untilDone } from './until-done.ts'

export interface BatcherOptions<Item, Answer> {
  /** Writes the items; gives the answer for each, in their order. Must bear being repeated with the same items. */
  write: (items: readonly Item[]) => Promise<readonly Answer[]>
  /** How many items one write takes at the most. */
  largest: number
  /** How much the items of one write may have together, unless a single one has more. Defaults to any. */
  mostTogether?: number
  /** How much an item has. Defaults to nothing. */
  sizeOf?: (item: Item) => number
  /**
   * How many writes may be under way at the same time; another one begins beside the first only with as many items as one
   * takes. Defaults to one, which keeps the order of the items.
   */
  atOnce?: number
  /** Whether a failed write may succeed when it is repeated, because only the connection failed. */
  isTransient: (error: unknown) => boolean
  /** Ends the repeating: whatever still waits is rejected with its reason. */
  signal: AbortSignal
}

interface Waiting<Item, Answer> {
  item: Item
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/**
 * Collects items while a write is under way and sends them all with the next one: alone an item goes out at
 * once, under load one statement carries many. Items are written in the order of `add`, unless several writes may be
 * under way at once, and again and again until the write succeeds.
 */
export class Batcher<Item, Answer> {
  readonly #options: BatcherOptions<Item, Answer>
  #waiting: Waiting<Item, Answer>[] = []
  #writing = 0
  #isDue = false

  constructor(options: BatcherOptions<Item, Answer>) {
    this.#options = options
  }

  /** Resolves with the item's answer when it has been written. */
  add(item: Item): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#waiting.push({ item, resolve, reject })
    if (this.#isFull()) this.#writeFull()
    else if (this.#writing === 0 && !this.#isDue) {
      // What the same turn of the event loop adds goes out together.
      this.#isDue = true
      setImmediate(() => this.#writeSoon())
    }
    return promise
  }

  #isFull(): boolean {
    return this.#waiting.length >= this.#options.largest
  }

  #writeFull(): void {
    const { atOnce = 1 } = this.#options
    if (this.#writing < atOnce) void this.#writeAll()
  }

  /** A batch that is not full waits for the write that is under way, and grows. */
  #writeSoon(): void {
    this.#isDue = false
    if (this.#writing === 0) void this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    this.#writing++
    while (this.#isMyTurn()) await this.#writeBatch(this.#waiting.splice(0, this.#countFitting()))
    this.#writing--
  }

  #countFitting(): number {
    const { largest, mostTogether = Infinity, sizeOf } = this.#options
    if (!sizeOf) return largest
    let size = 0
    let count = 0
    for (const { item } of this.#waiting.slice(0, largest)) {
      size += sizeOf(item)
      if (count > 0 && size > mostTogether) break
      count++
    }
    return count
  }

  /** What is less than a full batch is left to the last write that is under way. */
  #isMyTurn(): boolean {
    const { length } = this.#waiting
    return length > 0 && (this.#writing === 1 || this.#isFull())
  }

  async #writeBatch(batch: Waiting<Item, Answer>[]): Promise<void> {
    const { write, isTransient, signal } = this.#options
    const items = batch.map(waiting => waiting.item)
    try {
      const answers = await untilDone({ attempt: () => write(items), isTransient, signal })
      for (const [index, waiting] of batch.entries()) waiting.resolve(answers[index] as Answer)
    } catch (error) {
      if (batch.length === 1 || signal.aborted) for (const waiting of batch) waiting.reject(error)
      // One item that cannot be written must not take the others with it.
      else for (const waiting of batch) await this.#writeBatch([waiting])
    }
  }
}
