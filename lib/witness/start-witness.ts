import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Loop } from '../base/loop.ts'
import type { OtherIncarnation } from '../db/other-incarnations.ts'
import type { NewestTimeline } from '../base/timeline-memory.ts'
import { ClusterError, messageOf } from '../errors.ts'
import {
  fromPlainError,
  type Environment,
  type Order,
  type Report,
  type WitnessSettings,
} from './message.ts'
import type { Look } from './witness.ts'

/** What the witness tells the server. */
export interface ServerListeners {
  readonly look: (look: Look) => void
  readonly silent: (others: readonly OtherIncarnation[]) => void
  readonly newEra: () => void
  readonly disconnected: () => void
  /** The witness has met a newer timeline of the database. */
  readonly newer: (newest: NewestTimeline) => void
  /** May be called more than once; the first reason is the true one. */
  readonly lost: (reason: ClusterError) => void
  readonly error: (error: unknown, where: string) => void
  readonly guarded: (by: number | undefined, isFirst: boolean) => void
}

/** How often the main thread shows that it moves, in milliseconds. */
const tickMs = 250

/**
 * Begins a new incarnation, whose witness and guardian are cared for by a thread of their own.
 * @throws {ClusterError} CW_NODE_ID_TAKEN, CW_GUARDIAN, CW_CONNECTION
 */
export async function startWitness(
  settings: WitnessSettings,
  listeners: ServerListeners,
): Promise<WitnessThread> {
  const ticks = new Int32Array(new SharedArrayBuffer(4))
  // This file and the thread are both sources, or both built.
  const program = new URL(`thread${extname(import.meta.url)}`, import.meta.url)
  const worker = new Worker(program, {
    name: 'cluster-worker witness',
    workerData: { settings, ticks },
    // What the application preloads is not for this thread.
    execArgv: [],
  })
  const witness = new WitnessThread(worker, ticks, listeners)
  await witness.begun
  return witness
}

/** The witness's thread as the main thread sees it. */
export class WitnessThread {
  readonly begun: Promise<void>
  readonly #worker: Worker
  readonly #listeners: ServerListeners
  readonly #ticking: Loop
  readonly #exited: Promise<void>
  readonly #begin = Promise.withResolvers<void>()
  readonly #answers = new Map<number, () => void>()
  readonly #covered = new Set<string>()
  #orders = 0
  #isEnding = false
  #incarnation = ''
  #environment: Environment = {}

  constructor(worker: Worker, ticks: Int32Array, listeners: ServerListeners) {
    this.#worker = worker
    this.#listeners = listeners
    this.begun = this.#begin.promise
    this.#ticking = new Loop({
      name: 'tick',
      pass: async () => {
        Atomics.add(ticks, 0, 1)
        return tickMs
      },
      onError: listeners.error,
    })
    this.#ticking.start()
    let cause: unknown
    worker.on('message', (report: Report) => this.#hear(report))
    worker.on('error', error => (cause = error))
    this.#exited = new Promise(resolve => {
      worker.on('exit', () => {
        this.#onExit(cause)
        resolve()
      })
    })
  }

  get incarnation(): string {
    return this.#incarnation
  }

  /** What all commands of the server must have in their environment. */
  get environment(): Environment {
    return this.#environment
  }

  /** Looks for work and for messages at once. */
  look(): void {
    this.#order({ do: 'look' })
  }

  /** Resolves when the processes of these requests, which are about to run, will be stopped if the server dies. */
  cover(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#covered.add(id)
    return this.#ask(number => ({ do: 'cover', ids, number }))
  }

  /** These requests have finished: what they left running on purpose goes on. Most were never covered. */
  release(finished: readonly string[]): void {
    const ids = finished.filter(id => this.#covered.delete(id))
    if (ids.length > 0) this.#order({ do: 'release', ids })
  }

  /** Connects in this way from now on. */
  reconnect(connection: WitnessSettings['connection']): void {
    this.#order({ do: 'connection', connection })
  }

  /** Somebody else has met this timeline: an older one may not be used any more. */
  learn(newest: NewestTimeline): void {
    this.#order({ do: 'learn', newest })
  }

  /** The incarnation has been ended in good order: resolves when the guardian has ended, too. */
  leave(): Promise<void> {
    return this.#ask(number => ({ do: 'leave', number }))
  }

  /** The server has stopped its work and cannot tell the database so: the guardian does it, without us. */
  abandon(): void {
    this.#order({ do: 'abandon' })
  }

  /** Gives up the proof; the incarnation should have been ended before. */
  async end(): Promise<void> {
    this.#isEnding = true
    this.#order({ do: 'end' })
    await this.#exited
  }

  #order(order: Order): void {
    this.#worker.postMessage(order)
  }

  /** A thread that has ended answers nobody, and needs not: the server is fenced. */
  async #ask(write: (number: number) => Order): Promise<void> {
    const number = ++this.#orders
    const { promise: answered, resolve } = Promise.withResolvers<void>()
    this.#answers.set(number, resolve)
    this.#order(write(number))
    await Promise.race([answered, this.#exited])
    this.#answers.delete(number)
  }

  #hear(report: Report): void {
    const on = this.#listeners
    switch (report.is) {
      case 'begun':
        this.#incarnation = report.incarnation
        this.#environment = report.environment
        this.#begin.resolve()
        break
      case 'failed':
        this.#isEnding = true
        this.#begin.reject(fromPlainError(report.error))
        break
      case 'look':
        on.look(report.look)
        break
      case 'silent':
        on.silent(report.others)
        break
      case 'newEra':
        on.newEra()
        break
      case 'disconnected':
        on.disconnected()
        break
      case 'newer':
        on.newer(report.newest)
        break
      case 'lost':
        on.lost(asClusterError(fromPlainError(report.reason)))
        break
      case 'error':
        on.error(fromPlainError(report.error), report.where)
        break
      case 'guarded':
        on.guarded(report.by, report.isFirst)
        break
      case 'done':
        this.#answers.get(report.number)?.()
    }
  }

  #onExit(cause: unknown): void {
    void this.#ticking.stop()
    const reason = new ClusterError(
      'CW_NODE_LOST',
      `the thread that proves that this server is alive has ended${cause === undefined ? '' : `: ${messageOf(cause)}`}`,
      { cause },
    )
    this.#begin.reject(reason)
    if (!this.#isEnding) this.#listeners.lost(reason)
  }
}

function asClusterError(error: Error): ClusterError {
  return error instanceof ClusterError ? error : new ClusterError('CW_NODE_LOST', error.message)
}
