import { Loop, type NextPass } from '../base/loop.ts'
import { jitter } from '../base/random.ts'
import type { Database } from '../db/database.ts'
import { LockSession } from '../db/lock-session.ts'
import type { LockKind } from '../db/locks.ts'
import { hintComponents } from '../db/wake.ts'

export interface LockedWorkOptions<Item> {
  readonly name: string
  readonly db: Database
  readonly node: string
  /** How many items this server works on at once; 0 for none. */
  readonly limit: number
  /** The lock that one server at a time holds for an item. */
  readonly kind: LockKind
  readonly numberOf: (item: Item) => string
  /** What is to be done now, and when there will be more, in milliseconds. */
  readonly find: (
    limit: number,
  ) => Promise<{ readonly due: readonly Item[]; readonly nextInMs: number | null }>
  /**
   * Does an item under its lock: looks first whether it is still to be done, and writes what must be protected on
   * `session`. `signal` is aborted when the lock is lost or the server stops.
   */
  readonly work: (item: Item, session: LockSession, signal: AbortSignal) => Promise<void>
  /** False while this server may begin nothing. */
  readonly mayBegin: () => boolean
  readonly onError: (error: unknown, name: string) => void
}

/** The longest pause between two looks, and the one after a failure or when somebody else was quicker, in milliseconds. */
const longestMs = 10_000
const takenMs = 1000

/** Does what is to be done once in the whole cluster: any server may, the one that gets the lock does. */
export class LockedWork<Item> {
  readonly #options: LockedWorkOptions<Item>
  readonly #loop: Loop
  readonly #running = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()
  #hasFailed = false

  constructor(options: LockedWorkOptions<Item>) {
    this.#options = options
    this.#loop = new Loop({
      name: options.name,
      pass: () => this.#pass(),
      onError: options.onError,
    })
  }

  start(): void {
    if (this.#options.limit > 0) this.#loop.start()
  }

  /** Looks at once. */
  wake(): void {
    this.#loop.wake()
  }

  /** Stops what is under way, for `reason`; nothing of it stays. */
  async stop(reason: Error): Promise<void> {
    this.#stopping.abort(reason)
    await this.#loop.stop()
    await Promise.all(this.#running.values())
  }

  async #pass(): Promise<NextPass> {
    const { limit, find, mayBegin } = this.#options
    // What could not even be recorded as a failure is due still, and would fail again at once.
    if (this.#hasFailed) {
      this.#hasFailed = false
      return jitter(takenMs, 0.5)
    }
    const free = limit - this.#running.size
    if (free <= 0 || !mayBegin()) return jitter(longestMs, 0.2)
    const { due, nextInMs } = await find(limit)
    const taken = await Promise.all(
      this.#fresh(due)
        .slice(0, free)
        .map(item => this.#begin(item)),
    )
    if (taken.includes(false)) return jitter(takenMs, 0.5)
    // Those that wake up together would all look, and one would get the lock.
    return jitter(Math.min(nextInMs ?? longestMs, longestMs), 0.05)
  }

  #fresh(due: readonly Item[]): Item[] {
    return due.filter(item => !this.#running.has(this.#options.numberOf(item)))
  }

  /** False when another server has the lock. */
  async #begin(item: Item): Promise<boolean> {
    const { db, node, kind, name, numberOf } = this.#options
    const number = numberOf(item)
    const session = await LockSession.open(db, `${name} ${node}`)
    const isOurs = await session.tryLock(db, kind, number).catch(() => false)
    if (!isOurs || this.#stopping.signal.aborted) {
      await session.close()
      return false
    }
    this.#running.set(number, this.#work(item, number, session))
    return true
  }

  async #work(item: Item, number: string, session: LockSession): Promise<void> {
    const { db, work, onError, name } = this.#options
    const signal = AbortSignal.any([this.#stopping.signal, session.lost])
    const hint = (): Promise<void> => hintComponents(db).catch(() => undefined)
    // Another server shall do it, and needs not wait until we have ended what is in vain.
    session.lost.addEventListener('abort', () => void hint(), { once: true })
    try {
      await work(item, session, signal)
    } catch (error) {
      this.#hasFailed = true
      if (!this.#stopping.signal.aborted) onError(error, name)
    } finally {
      await session.close()
      this.#running.delete(number)
      this.wake()
      // As long as the lock was held, nobody could see that there is something to be done.
      if (signal.aborted) await hint()
    }
  }
}
