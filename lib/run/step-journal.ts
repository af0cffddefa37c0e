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

/**
 * Keeps the records of one run's steps. What a step did is durable before the next one begins.
 *
 * The record of a quick step, of which nothing was written before, is held until then: when no other step follows, the
 * run's ending takes it along, and needs no statement more.
 */
export class StepJournal {
  readonly #write: (record: StepRecord) => Promise<void>
  readonly #sinceClaim: MonotonicClock
  readonly #onError: (error: unknown) => void
  #held: StepRecord | undefined

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
   * Notes that a step starts, when the one before it is durable. The function that comes back notes its end and
   * resolves when that is durable, or held.
   *
   * A step that has an undo, an undo and an on-failure step may start only when this has resolved: then it is durable
   * that they begin. Should the server be lost, its compensation knows what may have happened, and repeats nothing.
   */
  async begin(place: StepPlace): Promise<(end: StepEnd) => Promise<void>> {
    if (this.#held) await this.#writeHeld()
    const startedMs = this.#sinceClaim()
    const about = { ...blank, ...place, startedMs }
    let isWritten = place.phase !== 'step' || place.undoOnce !== null
    const writeBeginning = (): Promise<void> => {
      isWritten = true
      return this.#record({ ...about, state: 'running' })
    }
    if (isWritten) await writeBeginning()
    const timer = isWritten ? undefined : setTimeout(() => void writeBeginning(), worthShowingMs)
    return async end => {
      clearTimeout(timer)
      const record = { ...about, finishedMs: this.#sinceClaim(), ...end }
      if (isWritten) await this.#record(record)
      else this.#held = record
    }
  }

  /** Notes a step that is not run. */
  async skip(place: StepPlace): Promise<void> {
    if (this.#held) await this.#writeHeld()
    await this.#record({ ...blank, ...place, state: 'skipped' })
  }

  /** The record that no step has followed, for the run's ending to take along. */
  takeHeld(): StepRecord | undefined {
    const held = this.#held
    this.#held = undefined
    return held
  }

  async #writeHeld(): Promise<void> {
    const held = this.takeHeld()
    if (held) await this.#record(held)
  }

  /** A record that cannot be written must not keep the run from going on, above all not from its undos. */
  async #record(record: StepRecord): Promise<void> {
    await this.#write(record).catch(this.#onError)
  }
}

const blank = { startedMs: null, finishedMs: null, exitCode: null, error: null, output: null }
