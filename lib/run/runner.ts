import { rm } from 'node:fs/promises'
import { monotonic } from '../base/clock.ts'
import type { Ending, LogPiece, LostRun, StepRecord } from '../base/record.ts'
import { ClusterError } from '../errors.ts'
import type { Process } from '../step/define-process.ts'
import type { Artifacts } from '../step/artifacts.ts'
import type { PipeSupply } from '../step/pipe-supply.ts'
import type { StepKind } from '../step/step.ts'
import { compensateRequest } from './compensate-request.ts'
import { errorText } from './failure.ts'
import { runFolder, type Run } from './run-context.ts'
import { RunLog } from './run-log.ts'
import { runRequest } from './run-request.ts'
import { StepJournal } from './step-journal.ts'

/** A claimed request, as the claim gives it. */
export interface ClaimedRequest {
  readonly id: string
  readonly process: Process
  readonly input: unknown
  /** What it undoes; only a compensation has it. */
  readonly lost?: LostRun
}

export interface RunnerOptions {
  readonly node: string
  /** How many requests run at the same time at the most. */
  readonly concurrency: number
  readonly runsFolder: string
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly pipes: PipeSupply
  readonly artifacts: Artifacts
  readonly environment: Readonly<Record<string, string>>
  /** Each keeps the order of its calls and resolves when its item is durable. */
  writeStep(entry: StepRecord): Promise<void>
  appendLog(piece: LogPiece): Promise<void>
  /** False when the run is no longer this server's. */
  finish(run: { id: string; token: string } & Ending): Promise<boolean>
  /** A run has begun its first step. */
  onBegun?(): void
  /** A step has ended, with why it failed, if it did. */
  onStepEnd?(kind: StepKind, error: unknown): void
  onSlotFree(): void
  /** Something went wrong that no request's record can tell. */
  onTrouble(error: unknown, requestId: string): void
}

interface ActiveRun {
  readonly steps: AbortController
  readonly last: AbortController
  /** Whether its first step has started. */
  hasBegun: boolean
  readonly done: Promise<void>
}

/** The slots of one server: starts claimed requests, and stops them. */
export class Runner {
  readonly #options: RunnerOptions
  readonly #active = new Map<string, ActiveRun>()
  #isAbandoned = false

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

  /** Starts a request that this server has claimed with the token. */
  start(claimed: ClaimedRequest, token: string): void {
    // The answer to a claim may come after the server gave up: its requests are failed by the others.
    if (this.#isAbandoned) return
    const steps = new AbortController()
    const last = new AbortController()
    const signals = { stepSignal: steps.signal, lastSignal: last.signal }
    const run = this.#openRun(claimed, token, signals)
    const done = this.#runToEnd(run, token).finally(() => {
      this.#active.delete(claimed.id)
      this.#options.onSlotFree()
    })
    this.#active.set(claimed.id, { steps, last, done, hasBegun: false })
  }

  /** Ends the steps of a run; its undos still run. */
  cancel(id: string): void {
    this.#active.get(id)?.steps.abort(new ClusterError('CW_CANCELLED', 'the request was cancelled'))
  }

  /** Ends the steps of all runs; their undo and on-failure steps still run. */
  stopAll(reason: ClusterError): void {
    for (const run of this.#active.values()) run.steps.abort(reason)
  }

  /** Ends everything at once: nothing more is run or recorded. */
  abandonAll(reason: ClusterError): void {
    this.#isAbandoned = true
    for (const run of this.#active.values()) {
      run.last.abort(reason)
      run.steps.abort(reason)
    }
  }

  /** Resolves when nothing runs. */
  async drain(): Promise<void> {
    while (this.#active.size > 0) await Promise.all([...this.#active.values()].map(run => run.done))
  }

  #openRun(
    claimed: ClaimedRequest,
    token: string,
    { stepSignal, lastSignal }: Pick<Run, 'stepSignal' | 'lastSignal'>,
  ): Run {
    const { id: requestId, process, input: storedInput, lost } = claimed
    const { node, environment, runsFolder, killGraceMs, outputLimit, pipes, artifacts } =
      this.#options
    const claimedAt = monotonic()
    const trouble = (error: unknown): void => {
      if (!lastSignal.aborted) this.#options.onTrouble(error, requestId)
    }
    return {
      requestId,
      // The claim's token is shared by the requests of one claim; with the id it is the run's own.
      token: `${token}:${requestId}`,
      node,
      process,
      storedInput,
      lost,
      environment,
      runsFolder,
      killGraceMs,
      outputLimit,
      pipes,
      artifacts,
      log: new RunLog(requestId, piece => this.#options.appendLog(piece), trouble),
      journal: new StepJournal(
        entry => this.#options.writeStep(entry),
        () => monotonic() - claimedAt,
        trouble,
      ),
      onStarted: () => this.#begin(requestId),
      onStepEnd: (kind, error) => this.#options.onStepEnd?.(kind, error),
      stepSignal,
      lastSignal,
    }
  }

  #begin(id: string): void {
    const run = this.#active.get(id)
    if (!run || run.hasBegun) return
    run.hasBegun = true
    this.#options.onBegun?.()
  }

  async #runToEnd(run: Run, token: string): Promise<void> {
    const { requestId: id, lastSignal, lost } = run
    try {
      const running = lost ? compensateRequest(run, lost) : runRequest(run)
      const ending = await running.catch((error: unknown) => {
        if (lastSignal.aborted) throw error
        return brokenEnding(error)
      })
      // The folder goes first: a request that has finished leaves nothing behind.
      await this.#removeFolder(run)
      const mine = await this.#finish({ id, token, ...ending }, lastSignal)
      if (!mine) this.#options.onTrouble(notOurs(id), id)
    } catch (error) {
      if (lastSignal.aborted) await this.#removeFolder(run)
      else this.#options.onTrouble(error, id)
    }
  }

  async #removeFolder(run: Run): Promise<void> {
    try {
      await rm(runFolder(run), { recursive: true, force: true })
    } catch (error) {
      this.#options.onTrouble(error, run.requestId)
    }
  }

  /** An ending that the database refuses for good becomes a failure, so that the request ends all the same. */
  async #finish(run: { id: string; token: string } & Ending, lastSignal: AbortSignal) {
    const { id, token } = run
    return this.#options.finish(run).catch((error: unknown) => {
      if (lastSignal.aborted) throw error
      this.#options.onTrouble(error, id)
      return this.#options.finish({ id, token, ...brokenEnding(error) })
    })
  }
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
