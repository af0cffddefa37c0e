import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from '../base/clock.ts'
import { eachParallel } from '../base/each-parallel.ts'
import { ClusterError } from '../errors.ts'
import type { ObjectKey, Store } from './store.ts'
import { isBadObject, verifyOnce, type PublishedObject } from './verified-read.ts'

export interface VerifyOptions {
  readonly signal: AbortSignal
  /** How many objects are read at once. Defaults to 4. */
  readonly concurrency?: number
  /** How long what is missing or damaged is looked at again after all were read, in milliseconds. Defaults to none. */
  readonly storeDelayMs?: number
  /** Called after each object that was read. */
  onProgress?(done: VerifyProgress): void
}

export interface VerifyProgress {
  readonly objects: number
  readonly bytes: number
}

export interface VerifyReport extends VerifyProgress {
  readonly missing: readonly ObjectKey[]
  /** What is there and is not what was published. */
  readonly damaged: readonly DamagedObject[]
  /** Objects of attempts that have published others; harmless, and swept some day. */
  readonly extra: readonly ObjectKey[]
  /** Attempts of which nothing is published: imports that go on, or that the sweep has not removed yet. */
  readonly unpublished: readonly string[]
}

export interface DamagedObject extends ObjectKey {
  /** A sentence. */
  readonly problem: string
}

/** How long to wait before those that were bad are looked at again, in milliseconds. */
const againMs = 500

/**
 * Reads and hashes all objects that are published.
 * @param published ordered by their tokens
 * @throws {ClusterError} what the store throws when it cannot be asked; the signal's reason when it is aborted
 */
export async function verifyStore(
  store: Store,
  published: Iterable<PublishedObject> | AsyncIterable<PublishedObject>,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const { signal, concurrency = 4 } = options
  // Before the objects: of an attempt that is published meanwhile, the objects come behind.
  const unpublished = await collect(store.tokens(signal))
  const walk = new Walk(store, options)
  await eachParallel(walk.byToken(published, unpublished), concurrency, object => walk.look(object))
  await walk.lookAgain()
  return walk.report([...unpublished])
}

class Walk {
  readonly #store: Store
  readonly #options: VerifyOptions
  readonly #extra: ObjectKey[] = []
  #bad: { object: PublishedObject; error: ClusterError }[] = []
  #objects = 0
  #bytes = 0

  constructor(store: Store, options: VerifyOptions) {
    this.#store = store
    this.#options = options
  }

  /** Hands the objects on and notes, token by token, what the store has beside them. */
  async *byToken(
    published: Iterable<PublishedObject> | AsyncIterable<PublishedObject>,
    unpublished: Set<string>,
  ): AsyncGenerator<PublishedObject> {
    let token: string | undefined
    let hashes = new Set<string>()
    for await (const object of published) {
      this.#options.signal.throwIfAborted()
      if (object.token !== token) {
        await this.#noteExtra(token, hashes)
        token = object.token
        hashes = new Set()
        unpublished.delete(token)
      }
      hashes.add(object.hash)
      yield object
    }
    await this.#noteExtra(token, hashes)
  }

  async look(object: PublishedObject): Promise<void> {
    try {
      await this.#verify(object)
    } catch (error) {
      if (!isBadObject(error)) throw error
      this.#bad.push({ object, error })
    }
    this.#objects++
    this.#bytes += object.size
    this.#options.onProgress?.({ objects: this.#objects, bytes: this.#bytes })
  }

  /** A network file system may show late what another server has just written. */
  async lookAgain(): Promise<void> {
    const { signal, storeDelayMs = 0, concurrency = 4 } = this.#options
    const until = monotonic() + storeDelayMs
    while (this.#bad.length > 0 && monotonic() < until) {
      await delay(Math.min(againMs, until - monotonic()), undefined, { signal })
      const suspects = this.#bad
      this.#bad = []
      await eachParallel(suspects, concurrency, async ({ object }) => {
        try {
          await this.#verify(object)
        } catch (error) {
          if (!isBadObject(error)) throw error
          this.#bad.push({ object, error })
        }
      })
    }
  }

  report(unpublished: readonly string[]): VerifyReport {
    const { missing = [], damaged = [] } = Object.groupBy(this.#bad, ({ error }) =>
      error.code === 'CW_OBJECT_MISSING' ? 'missing' : 'damaged',
    )
    return {
      objects: this.#objects,
      bytes: this.#bytes,
      missing: missing.map(({ object: { token, hash } }) => ({ token, hash })),
      damaged: damaged.map(({ object: { token, hash }, error }) => ({
        token,
        hash,
        problem: error.message,
      })),
      extra: this.#extra,
      unpublished,
    }
  }

  /** A disk cannot read one place of it, and all the rest: then the object is at fault, and not the store. */
  async #verify(object: PublishedObject): Promise<void> {
    try {
      await verifyOnce(this.#store, object, this.#options.signal)
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== 'CW_STORE_UNREACHABLE') throw error
      await this.#store.objectsOf(object.token)
      throw new ClusterError('CW_OBJECT_CORRUPT', error.message, { cause: error })
    }
  }

  async #noteExtra(token: string | undefined, hashes: ReadonlySet<string>): Promise<void> {
    if (token === undefined) return
    for (const hash of await this.#store.objectsOf(token))
      if (!hashes.has(hash)) this.#extra.push({ token, hash })
  }
}

async function collect(items: AsyncIterable<string>): Promise<Set<string>> {
  const all = new Set<string>()
  for await (const item of items) all.add(item)
  return all
}
