interface Work<Value> {
  readonly result: Promise<Value>
  readonly abort: AbortController
  waiting: number
}

/** Work that several need at the same time is done once. It is given up when nobody waits for it any more. */
export class SharedWork<Value> {
  readonly #works = new Map<string, Work<Value>>()

  /** Waits for the work of this key that is under way, or begins it. It rejects with the signal's reason when that is aborted. */
  async join(
    key: string,
    signal: AbortSignal,
    begin: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    signal.throwIfAborted()
    const work = this.#works.get(key) ?? this.#begin(key, begin)
    work.waiting++
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort)
    try {
      return await Promise.race([work.result, aborted])
    } finally {
      signal.removeEventListener('abort', abort)
      work.waiting--
      if (work.waiting === 0) this.#end(key, work)
    }
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<Value>): Work<Value> {
    const abort = new AbortController()
    const work = { result: begin(abort.signal), abort, waiting: 0 }
    // When all have turned away, nobody hears of it.
    work.result.catch(() => undefined)
    this.#works.set(key, work)
    return work
  }

  /** Whoever comes after this begins anew. */
  #end(key: string, work: Work<Value>): void {
    if (this.#works.get(key) === work) this.#works.delete(key)
    work.abort.abort(new Error('nobody waits for it any more'))
  }
}
