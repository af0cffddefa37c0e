import type { Ledger } from './ledger.ts'

/** One piece of work for any contender: its function notes `n` in the ledger. */
export interface Job {
  /** Which function: `noop`, `five` (five durable steps), `noop-7`, or one that only our own contender has. */
  readonly kind: string
  readonly n: number
  /** Higher first. */
  readonly priority: number
}

/** What a worker process is asked to do. */
export interface WorkOrder {
  readonly contender: string
  readonly url: string
  /** Which of the worker processes this is, from 0. */
  readonly worker: number
  readonly kinds: readonly string[]
  /** How many numbers the ledger has room for. */
  readonly capacity: number
  /** What a case asks of one contender alone. */
  readonly settings: Readonly<Record<string, number | string | boolean>>
}

/** The enqueuing side, in the process of the benchmark. */
export interface BenchClient {
  enqueue(job: Job): Promise<unknown>
  enqueueMany(jobs: readonly Job[]): Promise<unknown>
  /** How many jobs wait or run. */
  countLeft(): Promise<number>
  /** How many have succeeded; undefined for a contender that deletes them. */
  countDone(): Promise<number | undefined>
  close(): Promise<void>
}

/** A library that is measured, at its best documented settings. */
export interface Contender {
  readonly version: string
  /** The settings, for the report. */
  readonly settings: string
  /** Where those settings are advised. */
  readonly documentation: string
  /** Makes its tables in an empty database. */
  prepare(url: string): Promise<void>
  openClient(url: string): Promise<BenchClient>
  /** Runs in a process of its own. Gives the function that stops it. */
  startWorker(order: WorkOrder, ledger: Ledger): Promise<() => Promise<void>>
}
