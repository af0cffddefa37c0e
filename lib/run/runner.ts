import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Ending, StepRecord } from '../base/record.ts'
import { ClusterError } from '../errors.ts'
import type { Process } from '../step/define-process.ts'
import { compensateRequest } from './compensate-request.ts'
import { errorText } from './failure.ts'
import { OpenRun, type ClaimedRequest, type RunHost } from './open-run.ts'
import { runRequest } from './run-request.ts'

export interface RunnerOptions extends RunHost {
  /** How many requests run at the same time at the most. */
  readonly concurrency: number
  /** False when the run is no longer this server's. Resolves when the ending is durable. */
  finish(run: EndedRun): Promise<boolean>
  onSlotFree(): void
}

/** How a run has ended. */
export interface EndedRun extends Ending {
  readonly id: string
  /** The claim's. */
  readonly token: string
  /** The record of the step that ended it, unless that is written already. */
  readonly lastStep?: StepRecord | undefined
}

/** The slots of one server: starts claimed requests, and stops them. */
export class Runner {
  readonly #options: RunnerOptions
  readonly #active = new Map<string, OpenRun>()
  #isAbandoned = false
  /** They have their slots, and begin with the next turn. */
  #claimed: OpenRun[] = []
  #whenIdle: PromiseWithResolvers<void> | undefined

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  get freeSlots(): number {
    return this.#options.concurrency - this.#active.size
  }

  get activeCount(): number {
    return this.#active.size
  }

  /** How many of those that run have not begun their first step. */
  get startingCount(): number {
    return [...this.#active.values()].filter(run => !run.hasBegun).length
  }

  /** Whether the request runs here now. */
  isActive(id: string): boolean {
    return this.#active.has(id)
  }

  /**
   * Starts a request that this server has claimed with the token. It takes its slot at once, and begins with the next turn
   * of the event loop: by then the claim that follows is on its way, and PostgreSQL works while the runs do.
   */
  start(claimed: ClaimedRequest, process: Process, token: string): void {
    // The answer to a claim may come after the server gave up: its requests are failed by the others.
    if (this.#isAbandoned) return
    const run = new OpenRun(this.#options, claimed, process, token)
    this.#active.set(claimed.id, run)
    if (this.#claimed.push(run) === 1) setImmediate(() => this.#beginClaimed())
  }

  /** Ends the steps of a run; its undos still run. */
  cancel(id: string): void {
    this.#active.get(id)?.stop(new ClusterError('CW_CANCELLED', 'the request was cancelled'))
  }

  /** Ends the steps of all runs; their undo and on-failure steps still run. */
  stopAll(reason: ClusterError): void {
    for (const run of this.#active.values()) run.stop(reason)
  }

  /** Ends everything at once: nothing more is run or recorded. */
  abandonAll(reason: ClusterError): void {
    this.#isAbandoned = true
    for (const run of this.#active.values()) run.abandon(reason)
  }

  /** Resolves when nothing runs. */
  async drain(): Promise<void> {
    if (this.#active.size > 0) await (this.#whenIdle ??= Promise.withResolvers()).promise
  }

  #beginClaimed(): void {
    const runs = this.#claimed
    this.#claimed = []
    for (const run of runs) void this.#runToEnd(run)
  }

  async #runToEnd(run: OpenRun): Promise<void> {
    try {
      const running = this.#run(run)
      const ending = running instanceof Promise ? await running : running
      // The folder goes first: a request that has finished leaves nothing behind.
      if (run.hasFolder) await this.#removeFolder(run)
      const ended = endedRun(run, ending)
      try {
        this.#check(run, await this.#options.finish(ended))
      } catch (error) {
        this.#check(run, await this.#finishBroken(run, ended, error))
      }
    } catch (error) {
      if (!run.isOver) this.#options.onTrouble(error, run.requestId)
      else if (run.hasFolder) await this.#removeFolder(run)
    } finally {
      this.#active.delete(run.requestId)
      this.#options.onSlotFree()
      if (this.#active.size === 0) this.#tellIdle()
    }
  }

  #tellIdle(): void {
    this.#whenIdle?.resolve()
    this.#whenIdle = undefined
  }

  async #removeFolder({ folder, requestId }: OpenRun): Promise<void> {
    await folder.remove().catch((error: unknown) => this.#options.onTrouble(error, requestId))
  }

  #run(run: OpenRun): MaybePromise<Ending> {
    const endBroken = (error: unknown): Ending => {
      run.throwIfOver()
      return brokenEnding(error)
    }
    try {
      const running = run.lost ? compensateRequest(run, run.lost) : runRequest(run)
      return running instanceof Promise ? running.catch(endBroken) : running
    } catch (error) {
      return endBroken(error)
    }
  }

  /** An ending that the database refuses for good becomes a failure, so that the request ends all the same. */
  async #finishBroken(run: OpenRun, ended: EndedRun, error: unknown): Promise<boolean> {
    run.throwIfOver()
    run.tellTrouble(error)
    const { id, token, lastStep } = ended
    if (lastStep) await this.#options.writeStep(lastStep).catch(why => run.tellTrouble(why))
    return this.#options.finish({ id, token, ...brokenEnding(error) })
  }

  #check({ requestId }: OpenRun, isMine: boolean): void {
    if (!isMine) this.#options.onTrouble(notOurs(requestId), requestId)
  }
}

/** The record of the last step goes with it, if nothing of that is written yet. */
function endedRun(run: OpenRun, { outcome, reason, error, result }: Ending): EndedRun {
  const { requestId: id, claimToken: token } = run
  return { id, token, outcome, reason, error, result, lastStep: run.journal.takeHeld() }
}

function brokenEnding(error: unknown): Ending {
  return { outcome: 'failed', reason: 'step_failed', error: errorText(error), result: null }
}

function notOurs(id: string): ClusterError {
  return new ClusterError(
    'CW_NODE_LOST',
    `request ${id} was finished by somebody else before this server could; what it did here is not in the record`,
  )
}
