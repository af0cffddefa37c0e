import { setTimeout as delay } from 'node:timers/promises'
import { Cluster, type RequestToEnqueue } from '../../lib/index.ts'
import type { Dice } from './dice.ts'
import type { Acknowledged } from './evidence.ts'
import type { Input } from './processes.ts'

export interface WorkloadOptions {
  /** The database, behind a proxy of its own. */
  readonly url: string
  readonly dice: Dice
  /** How many cheap requests are enqueued in a second. */
  readonly quickPerSecond: number
  /** How long the longest steps take. */
  readonly longestSeconds: number
  readonly onProbe: (name: string) => void
}

const tickMs = 100

/** The pause before an enqueue is repeated, in milliseconds. */
const repeatMs = 200

/** What else is asked for, in each second. */
const perSecond = { shell: 2, saga: 1.5, nap: 4, tree: 0.6, patient: 1.5 }

interface Order {
  readonly requests: RequestToEnqueue[]
  /** When to cancel it, after it is acknowledged. */
  readonly cancelAfterMs?: number
}

/** A program that enqueues, repeats what was not acknowledged, and cancels. */
export class Workload {
  readonly acknowledged: Acknowledged[] = []
  readonly #options: WorkloadOptions
  readonly #cluster: Cluster
  readonly #pending = new Set<Promise<void>>()
  #count = 0
  #isStopped = false
  readonly #running: Promise<void>

  constructor(options: WorkloadOptions) {
    this.#options = options
    this.#cluster = new Cluster({ connectionString: options.url, nodeId: 'workload' })
    this.#running = this.#run()
  }

  /** Enqueues nothing more; resolves when all that was begun is acknowledged. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
    await Promise.all(this.#pending)
    await this.#cluster.stop()
  }

  async #run(): Promise<void> {
    const { quickPerSecond } = this.#options
    let owed = 0
    while (!this.#isStopped) {
      owed += (quickPerSecond * tickMs) / 1000
      const quick = Math.floor(owed)
      owed -= quick
      const batch = Array.from({ length: quick }, () => this.#request('quick', {}))
      for (const order of [{ requests: batch }, ...this.#pickOthers()]) this.#begin(order)
      await delay(tickMs)
    }
  }

  /** All chance is drawn here, before anything can come in another order. */
  #pickOthers(): Order[] {
    const { dice, longestSeconds } = this.#options
    const long = (): Input => ({ seconds: dice.between(longestSeconds / 5, longestSeconds) })
    const draws = {
      shell: { seconds: dice.between(0.001, 0.05) },
      saga: { fail: dice.chance(0.5) },
      nap: long(),
      tree: long(),
      patient: long(),
    }
    return Object.entries(draws).flatMap(([process, input]) => {
      const isDue = dice.chance((perSecond[process as keyof typeof perSecond] * tickMs) / 1000)
      const cancelled = dice.chance(0.2)
      const cancelAfterMs = dice.between(0, 3000)
      const order = { requests: [this.#request(process, input)] }
      return isDue ? [cancelled ? { ...order, cancelAfterMs } : order] : []
    })
  }

  #request(process: string, input: Input): RequestToEnqueue {
    return { process, input, idempotencyKey: `key-${++this.#count}` }
  }

  #begin(order: Order): void {
    if (order.requests.length === 0) return
    const work = this.#enqueue(order).finally(() => this.#pending.delete(work))
    this.#pending.add(work)
  }

  /** With its keys the same batch can be sent again and again until somebody answers. */
  async #enqueue({ requests, cancelAfterMs }: Order): Promise<void> {
    const { onProbe } = this.#options
    for (let tries = 1; ; tries++) {
      try {
        const answers = await this.#cluster.enqueueMany(requests)
        for (const [index, { id, created }] of answers.entries()) {
          this.acknowledged.push({ key: requests[index]?.idempotencyKey ?? '', requestId: id })
          if (!created) onProbe('an enqueue whose answer was lost is found by its key')
        }
        if (cancelAfterMs !== undefined) await this.#cancel(answers[0]?.id ?? '', cancelAfterMs)
        return
      } catch {
        if (tries === 1) onProbe('an enqueue is repeated')
        await delay(repeatMs)
      }
    }
  }

  async #cancel(id: string, afterMs: number): Promise<void> {
    await delay(afterMs)
    const answer = await this.#cluster.cancel(id).catch(() => undefined)
    if (answer) this.#options.onProbe(`a cancel is answered: ${answer}`)
  }
}
