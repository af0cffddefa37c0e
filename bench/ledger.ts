/** What a worker process tells of its jobs. */
export interface LedgerReport {
  /** By the job's number, in milliseconds of `now()`; 0 for one that did not start here. */
  readonly startedAt: Float64Array
  /** How many jobs were started again. */
  readonly repeated: number
}

/** Notes when each job's function was called: the proof that the work was done, whatever the database says. */
export class Ledger {
  readonly #startedAt: Float64Array
  #started = 0
  #repeated = 0

  constructor(capacity: number) {
    // Written once, so that the memory is there: else it would come bit by bit as the jobs start, and look like a leak.
    this.#startedAt = new Float64Array(capacity).fill(0)
  }

  get started(): number {
    return this.#started
  }

  note(n: number): void {
    if (!(n >= 0 && n < this.#startedAt.length)) throw new Error(`there is no job ${n}`)
    if (this.#startedAt[n] !== 0) this.#repeated++
    else {
      this.#startedAt[n] = now()
      this.#started++
    }
  }

  report(): LedgerReport {
    return { startedAt: this.#startedAt, repeated: this.#repeated }
  }
}

/** Milliseconds of the machine's monotonic clock, the same in all its processes. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/**
 * Joins what the workers noted.
 * @returns when each job started, in the order of the jobs
 * @throws {Error} when one started twice, or fewer than `expected` have started
 */
export function joinLedgers(reports: readonly LedgerReport[], expected: number): Float64Array {
  const joined = new Float64Array(reports[0]?.startedAt.length ?? 0)
  let started = 0
  for (const { startedAt, repeated } of reports) {
    if (repeated > 0) throw new Error(`${repeated} jobs were started again by one worker`)
    for (const [n, at] of startedAt.entries()) {
      if (at === 0) continue
      if (joined[n] !== 0) throw new Error(`job ${n} was started by two workers`)
      joined[n] = at
      started++
    }
  }
  if (started < expected) throw new Error(`only ${started} of ${expected} jobs were started`)
  return joined
}
