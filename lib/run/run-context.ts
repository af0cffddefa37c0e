import type { LostRun } from '../base/record.ts'
import type { Process } from '../step/define-process.ts'
import type { Artifacts } from '../step/artifacts.ts'
import type { PipeSupply } from '../step/pipe-supply.ts'
import type { Step, StepKind, StepRun } from '../step/step.ts'
import type { RunFolder } from './run-folder.ts'
import type { RunLog } from './run-log.ts'
import type { StepJournal } from './step-journal.ts'

/** One claimed request and all that running it needs. */
export interface Run {
  readonly requestId: string
  readonly token: string
  readonly node: string
  readonly process: Process
  /** As it was stored. */
  readonly storedInput: unknown
  /** What it undoes; only a compensation has it. */
  readonly lost: LostRun | undefined
  /** Variables that every command of this server receives. */
  readonly environment: Readonly<Record<string, string>>
  readonly folder: RunFolder
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly pipes: PipeSupply
  readonly artifacts: Artifacts
  readonly log: RunLog
  /** Resolves when all that was written to the log is in the database; gives nothing when nothing was written. */
  flushLog(): Promise<void> | undefined
  readonly journal: StepJournal
  /** Called when a function has been called or a program has been started, at the latest when a step has ended. */
  readonly onStarted: () => void
  /** Called when a step or an on-failure step has ended, with why it failed, if it did. */
  readonly onStepEnd: (kind: StepKind, error?: unknown) => void
  /** Aborted to end the steps: cancelled, or the server stops. Undo and on-failure steps still run. */
  readonly stepSignal: AbortSignal
  /** Aborted to end everything at once: the server may no longer act. */
  readonly lastSignal: AbortSignal
  /** Whether `stepSignal` is aborted: most runs are never stopped, and their signals need not be made. */
  readonly isStopped: boolean
  /** Whether `lastSignal` is aborted. */
  readonly isOver: boolean
  /** @throws the reason when `stepSignal` is aborted */
  throwIfStopped(): void
  /** @throws the reason when `lastSignal` is aborted */
  throwIfOver(): void
}

/** What all steps of one run share. */
export class RunContext {
  readonly input: unknown
  /** What the finished steps returned. */
  readonly outputs: Map<Step<never, unknown>, unknown> = new Map()
  /** What the last of them returned, as JSON text. */
  lastOutput = 'null'
  #unfinished: Set<Step<never, unknown>> | undefined

  constructor(input: unknown) {
    this.input = input
  }

  /** The step begins, and is undone also when it does not finish. */
  begin(step: Step<never, unknown>): void {
    this.#unfinished ??= new Set()
    this.#unfinished.add(step)
  }

  /** @param output what it returned, as JSON text */
  finish(step: Step<never, unknown>, returned: unknown, output: string): void {
    this.outputs.set(step, returned)
    this.lastOutput = output
    this.#unfinished?.delete(step)
  }

  /** Whether it began, is undone also when it does not finish, and has not finished. */
  isUnfinished(step: Step<never, unknown>): boolean {
    return this.#unfinished?.has(step) ?? false
  }
}

/** Longer inputs do not fit into an environment variable; such a process reads its input another way. */
const longestVariable = 100_000

/**
 * The variables that tell a command what it runs for: CLUSTER_PROCESS, CLUSTER_REQUEST_ID, CLUSTER_NODE,
 * CLUSTER_TOKEN, in a compensation CLUSTER_COMPENSATES, CLUSTER_INPUT (JSON), and CLUSTER_INPUT_<NAME> for each text, number and boolean in the input.
 */
export function describeInEnvironment(
  run: Pick<StepRun, 'requestId' | 'process' | 'node' | 'token' | 'input' | 'compensates'>,
): Record<string, string> {
  const variables: Record<string, string> = {
    CLUSTER_PROCESS: run.process,
    CLUSTER_REQUEST_ID: run.requestId,
    CLUSTER_NODE: run.node,
    CLUSTER_TOKEN: run.token,
    ...(run.compensates !== undefined && { CLUSTER_COMPENSATES: run.compensates }),
  }
  const json = JSON.stringify(run.input ?? null)
  if (json.length <= longestVariable) variables['CLUSTER_INPUT'] = json
  if (typeof run.input !== 'object' || run.input === null || Array.isArray(run.input))
    return variables
  for (const [key, value] of Object.entries(run.input)) {
    const isPlain = ['string', 'number', 'boolean'].includes(typeof value)
    if (isPlain && String(value).length <= longestVariable)
      variables[variableName(key)] = String(value)
  }
  return variables
}

function variableName(key: string): string {
  return `CLUSTER_INPUT_${key
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase()}`
}
