import { untilDone } from './until-done.ts'

export interface BatcherOptions<Item, Answer> {
  /**
   * Writes the items; gives the answer for each, in their order. Must bear being repeated with the same items.
   * @param turn when another write is under way, which began before: resolves when that one is over. Who needs the order of
   *   the items waits for it before this one counts. Rejects when the other one will never have been written
   */
  write: (items: readonly Item[], turn: Promise<void> | undefined) => Promise<readonly Answer[]>
  /** How many items one write takes at the most. */
  largest: number
  /** How much the items of one write may have together, unless a single one has more; so much fills one, too. Defaults to any. */
  mostTogether?: number
  /** How much an item has. Defaults to nothing. */
  sizeOf?: (item: Item) => number
  /**
   * How many writes may be under way at the same time; another one begins beside the first only when it is full.
   * Defaults to one, which keeps the order of the items.
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
  /** How much the waiting items have together. */
  #size = 0
  /** The write that began last. */
  #last: Promise<void> | undefined

  constructor(options: BatcherOptions<Item, Answer>) {
    this.#options = options
  }

  /** Resolves with the item's answer when it has been written. */
  add(item: Item): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#waiting.push({ item, resolve, reject })
    this.#size += this.#sizeOf(item)
    if (this.#isFull()) this.#writeFull()
    else if (this.#writing === 0 && !this.#isDue) {
      // What the same turn of the event loop adds goes out together.
      this.#isDue = true
      setImmediate(() => this.#writeSoon())
    }
    return promise
  }

  #isFull(): boolean {
    const { largest, mostTogether = Infinity } = this.#options
    return this.#waiting.length >= largest || this.#size >= mostTogether
  }

  #sizeOf(item: Item): number {
    return this.#options.sizeOf?.(item) ?? 0
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
    while (this.#isMyTurn()) await this.#writeNext(this.#takeBatch())
    this.#writing--
  }

  #takeBatch(): Waiting<Item, Answer>[] {
    const batch = this.#waiting.splice(0, this.#countFitting())
    for (const { item } of batch) this.#size -= this.#sizeOf(item)
    return batch
  }

  async #writeNext(batch: Waiting<Item, Answer>[]): Promise<void> {
    const turn = this.#writing > 1 ? this.#last : undefined
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#last = promise
    // Most often nobody waits for it.
    promise.catch(() => undefined)
    await this.#writeBatch(batch, turn)
    const { signal } = this.#options
    if (signal.aborted) reject(signal.reason)
    else resolve(turn)
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

  async #writeBatch(
    batch: Waiting<Item, Answer>[],
    turn: Promise<void> | undefined,
  ): Promise<void> {
    const { write, isTransient, signal } = this.#options
    const items = batch.map(waiting => waiting.item)
    try {
      const answers = await untilDone({ attempt: () => write(items, turn), isTransient, signal })
      for (const [index, waiting] of batch.entries()) waiting.resolve(answers[index] as Answer)
    } catch (error) {
      if (batch.length === 1 || signal.aborted) for (const waiting of batch) waiting.reject(error)
      // One item that cannot be written must not take the others with it.
      else for (const waiting of batch) await this.#writeBatch([waiting], turn)
    }
  }
}
