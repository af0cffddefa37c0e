import type { MonotonicClock } from '../base/clock.ts'
import type { StepRecord } from '../base/record.ts'

/** Which step a record is about. */
export type StepPlace = Pick<StepRecord, 'requestId' | 'phase' | 'position' | 'name' | 'kind'>

/** How a step ended. */
export type StepEnd = Pick<StepRecord, 'state'> &
  Partial<Pick<StepRecord, 'exitCode' | 'error' | 'output'>>

/**
 * A step that ends sooner than this gets one record, when it has ended; a longer one is also recorded as
 * running, in milliseconds.
 */
const worthShowingMs = 50

/** Keeps the records of one run's steps. */
export class StepJournal {
  readonly #write: (record: StepRecord) => Promise<void>
  readonly #sinceClaim: MonotonicClock
  readonly #onError: (error: unknown) => void

  /**
   * @param write must keep the order of its calls
   * @param sinceClaim milliseconds since the run was claimed
   */
  constructor(
    write: (record: StepRecord) => Promise<void>,
    sinceClaim: MonotonicClock,
    onError: (error: unknown) => void,
  ) {
    this.#write = write
    this.#sinceClaim = sinceClaim
    this.#onError = onError
  }

  /** Notes that a step starts. The function that comes back notes its end and resolves when that is durable. */
  begin(place: StepPlace): (end: StepEnd) => Promise<void> {
    const startedMs = this.#sinceClaim()
    const timer = setTimeout(() => {
      this.#write({ ...blank, ...place, state: 'running', startedMs }).catch(this.#onError)
    }, worthShowingMs)
    return async end => {
      clearTimeout(timer)
      const finishedMs = this.#sinceClaim()
      await this.#record({ ...blank, ...place, startedMs, finishedMs, ...end })
    }
  }

  /** Notes a step that is not run. */
  async skip(place: StepPlace): Promise<void> {
    await this.#record({ ...blank, ...place, state: 'skipped' })
  }

  /** A record that cannot be written must not keep the run from going on, above all not from its undos. */
  async #record(record: StepRecord): Promise<void> {
    await this.#write(record).catch(this.#onError)
  }
}

const blank = { startedMs: null, finishedMs: null, exitCode: null, error: null, output: null }
