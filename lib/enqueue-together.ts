import { Carrier } from './base/carrier.ts'
import type { Database } from './db/database.ts'
import { enqueueBatch, type Enqueued, type NewRequest } from './db/requests.ts'
import { isRefused } from './db/translate-error.ts'
import type { Waker } from './waker.ts'

/** So many requests, and so many characters of their inputs, one statement takes at the most. */
const largest = { requests: 500, input: 1024 * 1024 }

/** A statement that takes longer, in milliseconds, keeps later calls waiting no more. */
const patienceMs = 100

/** So many names are remembered; an application that uses more sends some of its calls alone. */
const mostNames = 1000

/** Tells the servers that there is something to claim. */
export type Wakes = Pick<Waker, 'takeTurn' | 'wake'>

interface Call {
  readonly request: NewRequest
  readonly allowUnknown: boolean
}

/**
 * Enqueues single requests; those that are asked for while a statement is under way go together with the next one.
 * Each is acknowledged after its own commit. One that is refused fails alone; when the connection fails, all that
 * were in the statement are told that nobody knows.
 *
 * A call that may have to wait for a transaction of somebody else goes alone: one with an idempotency key, which
 * another transaction may have just inserted, and one that may add a name. That other transaction may be the
 * application's own, and may end only after some other call that it makes meanwhile.
 */
export class SharedEnqueue {
  readonly #db: Database
  readonly #waker: Wakes
  readonly #carrier: Carrier<Call, Enqueued>
  /** Names that are there, published or not. They stay. */
  readonly #names = new Set<string>()

  /** @param waker tells the servers, once for each statement */
  constructor(db: Database, waker: Wakes) {
    this.#db = db
    this.#waker = waker
    this.#carrier = new Carrier({
      write: calls => this.#write(calls),
      largest: largest.requests,
      countFitting,
      isRefusal: isRefused,
      patienceMs,
    })
  }

  async enqueue(request: NewRequest, allowUnknown: boolean): Promise<Enqueued> {
    const call = { request, allowUnknown }
    if (!this.#mayWait(call)) return this.#carrier.add(call)
    const [enqueued] = await this.#write([call])
    if (allowUnknown) this.#remember(request.process)
    return enqueued as Enqueued
  }

  #mayWait({ request, allowUnknown }: Call): boolean {
    return request.idempotencyKey !== null || (allowUnknown && !this.#names.has(request.process))
  }

  async #write(calls: readonly Call[]): Promise<readonly Enqueued[]> {
    const requests = calls.map(({ request }) => request)
    const allowUnknown = calls[0]?.allowUnknown ?? false
    const hints = this.#waker.takeTurn()
    const enqueued = await enqueueBatch(this.#db, requests, { allowUnknown, hints })
    if (!hints) this.#waker.wake()
    return enqueued
  }

  #remember(name: string): void {
    if (this.#names.size >= mostNames) this.#names.clear()
    this.#names.add(name)
  }
}

/** The first ones that want the same of unknown names, and are not too large together. */
function countFitting(calls: readonly Call[]): number {
  let input = 0
  const end = calls.findIndex(({ request, allowUnknown }, index) => {
    input += request.input.length
    return index > 0 && (allowUnknown !== calls[0]?.allowUnknown || input > largest.input)
  })
  return end < 0 ? calls.length : end
}
