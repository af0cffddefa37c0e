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

/** What a journal needs of its run. */
export interface JournalHost {
  /** Must keep the order of its calls. */
  writeStep(record: StepRecord): Promise<void>
  /** Milliseconds since the run was claimed. */
  sinceClaim(): number
  tellTrouble(error: unknown): void
}

/** Notes the end of a step. Resolves when it is durable; gives nothing when it is held. */
export type EndStep = (end: StepEnd) => Promise<void> | undefined

/**
 * Keeps the records of one run's steps. What a step did is durable before the next one begins.
 *
 * The record of a quick step, of which nothing was written before, is held until then: when no other step follows, the
 * run's ending takes it along, and needs no statement more.
 *
 * Where nothing has to be waited for, nothing is: most runs have one quick step.
 */
export class StepJournal {
  readonly #host: JournalHost
  #held: StepRecord | undefined

  constructor(host: JournalHost) {
    this.#host = host
  }

  /**
   * Notes that a step starts, when the one before it is durable. What comes back notes its end.
   *
   * A step that has an undo, an undo and an on-failure step may start only when this has resolved: then it is durable
   * that they begin. Should the server be lost, its compensation knows what may have happened, and repeats nothing.
   */
  begin(place: StepPlace): EndStep | Promise<EndStep> {
    const isAwaited = place.phase !== 'step' || place.undoOnce !== null
    if (isAwaited || this.#held) return this.#beginDurably(place, isAwaited)
    return this.#open({ ...blank, ...place, startedMs: this.#host.sinceClaim() }, false)
  }

  async #beginDurably(place: StepPlace, isAwaited: boolean): Promise<EndStep> {
    await this.#writeHeld()
    const about = { ...blank, ...place, startedMs: this.#host.sinceClaim() }
    if (isAwaited) await this.#record({ ...about, state: 'running' })
    return this.#open(about, isAwaited)
  }

  #open(about: Omit<StepRecord, 'state'>, isWritten: boolean): EndStep {
    let isShown = isWritten
    const show = (): void => {
      isShown = true
      void this.#record({ ...about, state: 'running' })
    }
    const timer = isWritten ? undefined : setTimeout(show, worthShowingMs)
    return end => {
      clearTimeout(timer)
      const record = { ...about, finishedMs: this.#host.sinceClaim(), ...end }
      if (isShown) return this.#record(record)
      this.#held = record
      return undefined
    }
  }

  /** Notes a step that is not run. */
  async skip(place: StepPlace): Promise<void> {
    await this.#writeHeld()
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
    await this.#host.writeStep(record).catch(error => this.#host.tellTrouble(error))
  }
}

const blank = { startedMs: null, finishedMs: null, exitCode: null, error: null, output: null }
