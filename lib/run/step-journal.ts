import type { MonotonicClock } from '../base/clock.ts'
import type { StepRecord } from '../base/record.ts'

/** Which step a record is about. */
export type StepPlace = Pick<
  StepRecord,
  'requestId' | 'phase' | 'position' | 'name' | 'kind' | 'undoOnce'
>

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

  /**
   * Notes that a step starts. The function that comes back notes its end and resolves when that is durable.
   *
   * A step that has an undo, an undo and an on-failure step may start only when this has resolved: then it is durable
   * that they begin. Should the server be lost, its compensation knows what may have happened, and repeats nothing.
   */
  async begin(place: StepPlace): Promise<(end: StepEnd) => Promise<void>> {
    const startedMs = this.#sinceClaim()
    const beginning: StepRecord = { ...blank, ...place, state: 'running', startedMs }
    const isDurable = place.phase !== 'step' || place.undoOnce !== null
    if (isDurable) await this.#record(beginning)
    const timer = isDurable
      ? undefined
      : setTimeout(() => void this.#record(beginning), worthShowingMs)
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
