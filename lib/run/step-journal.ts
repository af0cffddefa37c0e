import type { MonotonicClock } from '../base/clock.ts'

export type StepPhase = 'step' | 'undo' | 'on_failure'
export type StepState = 'running' | 'succeeded' | 'failed' | 'skipped' | 'cancelled'

/** What is known of one step of one run, on its way to the database. */
export interface StepEntry {
  readonly requestId: string
  readonly phase: StepPhase
  readonly position: number
  readonly name: string
  readonly kind: string
  readonly state: StepState
  /** Milliseconds since the run was claimed. */
  readonly startedMs: number | null
  readonly finishedMs: number | null
  readonly exitCode: number | null
  readonly error: string | null
  readonly output: string | null
}

/** Which step an entry is about. */
export type StepPlace = Pick<StepEntry, 'requestId' | 'phase' | 'position' | 'name' | 'kind'>

/** How a step ended. */
export type StepEnd = Pick<StepEntry, 'state'> &
  Partial<Pick<StepEntry, 'exitCode' | 'error' | 'output'>>

/**
 * A step that ends sooner than this gets one entry, when it has ended; a longer one is also entered as
 * running, in milliseconds.
 */
const worthShowingMs = 50

/** Keeps the records of one run's steps. */
export class StepJournal {
  readonly #write: (entry: StepEntry) => Promise<void>
  readonly #sinceClaim: MonotonicClock
  readonly #onError: (error: unknown) => void

  /**
   * @param write must keep the order of its calls
   * @param sinceClaim milliseconds since the run was claimed
   */
  constructor(
    write: (entry: StepEntry) => Promise<void>,
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
      await this.#write({ ...blank, ...place, startedMs, finishedMs: this.#sinceClaim(), ...end })
    }
  }

  /** Notes a step that is not run. */
  async skip(place: StepPlace): Promise<void> {
    await this.#write({ ...blank, ...place, state: 'skipped' })
  }
}

const blank = { startedMs: null, finishedMs: null, exitCode: null, error: null, output: null }
