import type { MaybePromise } from '../base/maybe-promise.ts'
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
   * Notes that a step starts, when the one before it is durable.
   *
   * A step that has an undo, an undo and an on-failure step may start only when this has resolved: then it is durable
   * that they begin. Should the server be lost, its compensation knows what may have happened, and repeats nothing.
   */
  begin(place: StepPlace): MaybePromise<BegunStep> {
    const isAwaited = place.phase !== 'step' || place.undoOnce !== null
    if (isAwaited || this.#held) return this.#beginDurably(place, isAwaited)
    return new BegunStep(this, place, this.sinceClaim(), false)
  }

  async #beginDurably(place: StepPlace, isAwaited: boolean): Promise<BegunStep> {
    await this.#writeHeld()
    const startedMs = this.sinceClaim()
    if (isAwaited) await this.write(recordOf(place, startedMs, null, { state: 'running' }))
    return new BegunStep(this, place, startedMs, isAwaited)
  }

  /** Notes a step that is not run. */
  async skip(place: StepPlace): Promise<void> {
    await this.#writeHeld()
    await this.write(recordOf(place, null, null, { state: 'skipped' }))
  }

  /** The record that no step has followed, for the run's ending to take along. */
  takeHeld(): StepRecord | undefined {
    const held = this.#held
    this.#held = undefined
    return held
  }

  /** Keeps a record until it is known what follows. */
  hold(record: StepRecord): void {
    this.#held = record
  }

  /** A record that cannot be written must not keep the run from going on, above all not from its undos. */
  async write(record: StepRecord): Promise<void> {
    await this.#host.writeStep(record).catch(error => this.#host.tellTrouble(error))
  }

  sinceClaim(): number {
    return this.#host.sinceClaim()
  }

  async #writeHeld(): Promise<void> {
    const held = this.takeHeld()
    if (held) await this.write(held)
  }
}

/** A step that has begun, in its run's journal. */
export class BegunStep {
  readonly #journal: StepJournal
  readonly #place: StepPlace
  readonly #startedMs: number
  #isShown: boolean
  #timer: NodeJS.Timeout | undefined

  /** @param isShown whether it is recorded as running already */
  constructor(journal: StepJournal, place: StepPlace, startedMs: number, isShown: boolean) {
    this.#journal = journal
    this.#place = place
    this.#startedMs = startedMs
    this.#isShown = isShown
  }

  /** It has not ended at once: it is recorded as running when it takes long. */
  goesOn(): void {
    if (!this.#isShown) this.#timer = setTimeout(() => this.#show(), worthShowingMs)
  }

  /** Notes its end. Resolves when it is durable; gives nothing when it is held. */
  end(end: StepEnd): Promise<void> | undefined {
    clearTimeout(this.#timer)
    const record = recordOf(this.#place, this.#startedMs, this.#journal.sinceClaim(), end)
    if (this.#isShown) return this.#journal.write(record)
    this.#journal.hold(record)
    return undefined
  }

  #show(): void {
    this.#isShown = true
    void this.#journal.write(recordOf(this.#place, this.#startedMs, null, { state: 'running' }))
  }
}

function recordOf(
  { requestId, phase, position, name, kind, undoOnce }: StepPlace,
  startedMs: number | null,
  finishedMs: number | null,
  { state, exitCode = null, error = null, output = null }: StepEnd,
): StepRecord {
  return {
    requestId,
    phase,
    position,
    name,
    kind,
    undoOnce,
    startedMs,
    finishedMs,
    state,
    exitCode,
    error,
    output,
  }
}
