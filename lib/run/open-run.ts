import { elapsed, toMicroseconds } from '../base/clock.ts'
import type { LogPiece, LostRun, StepRecord } from '../base/record.ts'
import type { ClusterError } from '../errors.ts'
import type { Artifacts } from '../step/artifacts.ts'
import type { Process } from '../step/define-process.ts'
import type { PipeSupply } from '../step/pipe-supply.ts'
import type { StepKind } from '../step/step.ts'
import type { Run } from './run-context.ts'
import { RunFolder } from './run-folder.ts'
import { RunLog } from './run-log.ts'
import { StepJournal } from './step-journal.ts'

/** A claimed request, as the claim gives it. */
export interface ClaimedRequest {
  readonly id: string
  readonly input: unknown
  /** What it undoes; only a compensation has it. */
  readonly lost?: LostRun
}

/** What a run needs of its server. */
export interface RunHost {
  readonly node: string
  readonly runsFolder: string
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly pipes: PipeSupply
  readonly artifacts: Artifacts
  readonly environment: Readonly<Record<string, string>>
  /** Each keeps the order of its calls and resolves when its item is durable. */
  writeStep(entry: StepRecord): Promise<void>
  appendLog(piece: LogPiece): Promise<void>
  /** A run has begun its first step. */
  onBegun?(): void
  /** A step has ended, with why it failed, if it did. */
  onStepEnd?(kind: StepKind, error: unknown): void
  /** Something went wrong that no request's record can tell. */
  onTrouble(error: unknown, requestId: string): void
}

/** A run of this server, and how it is stopped. A signal is made when somebody asks for it. */
export class OpenRun implements Run {
  readonly #host: RunHost
  readonly #claimedAt = elapsed()
  #steps: AbortController | undefined
  #last: AbortController | undefined
  readonly requestId: string
  /** Shared by the requests of one claim. */
  readonly claimToken: string
  readonly process: Process
  readonly storedInput: unknown
  readonly lost: LostRun | undefined
  #folder: RunFolder | undefined
  #log: RunLog | undefined
  readonly journal: StepJournal
  readonly node: string
  #stopReason: ClusterError | undefined
  #overReason: ClusterError | undefined
  /** Whether its first step has started. */
  hasBegun = false

  constructor(
    host: RunHost,
    { id, input, lost }: ClaimedRequest,
    process: Process,
    claimToken: string,
  ) {
    this.#host = host
    this.requestId = id
    this.claimToken = claimToken
    this.process = process
    this.storedInput = input
    this.lost = lost
    this.node = host.node
    this.journal = new StepJournal(this)
  }

  get token(): string {
    return `${this.claimToken}:${this.requestId}`
  }

  get folder(): RunFolder {
    return (this.#folder ??= new RunFolder(this.#host.runsFolder, this.requestId, this.token))
  }

  /** Whether a step has asked for it. */
  get hasFolder(): boolean {
    return this.#folder !== undefined
  }

  /** Made for the first who asks; most runs write nothing. */
  get log(): RunLog {
    return (this.#log ??= new RunLog(
      this.requestId,
      piece => this.#host.appendLog(piece),
      error => this.tellTrouble(error),
    ))
  }

  flushLog(): Promise<void> | undefined {
    return this.#log?.flush()
  }

  writeStep(record: StepRecord): Promise<void> {
    return this.#host.writeStep(record)
  }

  sinceClaim(): number {
    return toMicroseconds(elapsed() - this.#claimedAt)
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#host.environment
  }

  get killGraceMs(): number {
    return this.#host.killGraceMs
  }

  get outputLimit(): number {
    return this.#host.outputLimit
  }

  get pipes(): PipeSupply {
    return this.#host.pipes
  }

  get artifacts(): Artifacts {
    return this.#host.artifacts
  }

  get stepSignal(): AbortSignal {
    return (this.#steps ??= controllerOf(this.#stopReason)).signal
  }

  get lastSignal(): AbortSignal {
    return (this.#last ??= controllerOf(this.#overReason)).signal
  }

  get isStopped(): boolean {
    return this.#stopReason !== undefined
  }

  get isOver(): boolean {
    return this.#overReason !== undefined
  }

  throwIfStopped(): void {
    if (this.#stopReason) throw this.#stopReason
  }

  throwIfOver(): void {
    if (this.#overReason) throw this.#overReason
  }

  /** Ends the steps; their undos still run. */
  stop(reason: ClusterError): void {
    this.#stopReason ??= reason
    this.#steps?.abort(reason)
  }

  /** Ends everything at once: nothing more is run or recorded. */
  abandon(reason: ClusterError): void {
    this.#overReason ??= reason
    this.#last?.abort(reason)
    this.stop(reason)
  }

  onStarted(): void {
    if (this.hasBegun) return
    this.hasBegun = true
    this.#host.onBegun?.()
  }

  onStepEnd(kind: StepKind, error?: unknown): void {
    this.#host.onStepEnd?.(kind, error)
  }

  /** Tells of what no request's record can, as long as the run is this server's. */
  tellTrouble(error: unknown): void {
    if (!this.isOver) this.#host.onTrouble(error, this.requestId)
  }
}

/** One that is aborted already, if there is a reason. */
function controllerOf(reason: ClusterError | undefined): AbortController {
  const controller = new AbortController()
  if (reason) controller.abort(reason)
  return controller
}
