import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogSink } from '../base/log-sink.ts'
import { storableText } from '../base/json.ts'
import type { LostRun } from '../base/record.ts'
import { ClusterError, messageOf } from '../errors.ts'
import type { Process } from '../step/define-process.ts'
import type { Artifacts } from '../step/artifacts.ts'
import type { PipeSupply } from '../step/pipe-supply.ts'
import type { Step, StepKind, StepRun } from '../step/step.ts'
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
  readonly runsFolder: string
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly pipes: PipeSupply
  readonly artifacts: Artifacts
  readonly log: RunLog
  readonly journal: StepJournal
  /** Called when a function has been called or a program has been started, at the latest when a step has ended. */
  readonly onStarted: () => void
  /** Called when a step or an on-failure step has ended, with why it failed, if it did. */
  readonly onStepEnd: (kind: StepKind, error?: unknown) => void
  /** Aborted to end the steps: cancelled, or the server stops. Undo and on-failure steps still run. */
  readonly stepSignal: AbortSignal
  /** Aborted to end everything at once: the server may no longer act. */
  readonly lastSignal: AbortSignal
}

/** What all steps of one run share. */
export interface RunContext {
  readonly requestId: string
  readonly process: string
  readonly node: string
  readonly token: string
  readonly input: unknown
  /** The lost request that a compensation undoes. */
  readonly compensates: string | undefined
  /** What the finished steps returned. */
  readonly outputs: Map<Step<never, unknown>, unknown>
  /** The steps that began and did not finish, of those that are undone then, too. */
  readonly unfinished: Set<Step<never, unknown>>
  readonly environment: Readonly<Record<string, string>>
  /** The folder that the run's own folder is made in. */
  readonly runsFolder: string
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly pipes: PipeSupply
  readonly artifacts: Artifacts
  readonly onStarted: () => void
}

/** Makes what the steps of a run share. */
export function openContext(run: Run, input: unknown): RunContext {
  const {
    requestId,
    token,
    node,
    runsFolder,
    killGraceMs,
    outputLimit,
    pipes,
    artifacts,
    onStarted,
  } = run
  const compensates = run.lost?.requestId
  const about = { requestId, token, node, input, compensates, process: run.process.name }
  return {
    ...about,
    runsFolder,
    killGraceMs,
    outputLimit,
    pipes,
    artifacts,
    onStarted,
    environment: { ...run.environment, ...describeInEnvironment(about) },
    outputs: new Map(),
    unfinished: new Set(),
  }
}

/** The run's own folder. */
export function runFolder(context: Pick<RunContext, 'runsFolder' | 'requestId' | 'token'>): string {
  // Servers of several installations may share a data folder, so the id alone does not tell runs apart.
  return join(context.runsFolder, `${context.requestId}-${context.token.slice(0, 8)}`)
}

/** What one step receives. */
export function stepRun(
  context: RunContext,
  step: Step<never, unknown>,
  sink: LogSink,
  { signal, force }: Pick<StepRun, 'signal' | 'force'>,
  extra: Readonly<Record<string, string>> = {},
): StepRun {
  const { requestId, process, node, token, input, compensates } = context
  const { killGraceMs, outputLimit, pipes, artifacts, onStarted } = context
  return {
    requestId,
    process,
    node,
    token,
    input,
    compensates,
    step: step.name,
    isUnfinished: context.unfinished.has(step),
    signal,
    force,
    sink,
    killGraceMs,
    outputLimit,
    pipes,
    artifacts,
    onStarted,
    environment: { ...context.environment, ...extra, CLUSTER_STEP: step.name },
    log: message => void sink.write('log', `${storableText(textOf(message))}\n`),
    output: <Output>(earlier: Step<never, Output>) => {
      if (!context.outputs.has(earlier))
        throw new ClusterError(
          'CW_DEFINITION',
          `step '${step.name}' asks for the output of '${earlier?.name}', which is not an earlier step of process '${process}' that has finished`,
          { field: step.name },
        )
      return context.outputs.get(earlier) as Output
    },
    workFolder: async () => {
      const folder = runFolder(context)
      await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
        throw folderError(error)
      })
      return folder
    },
  }
}

function folderError(cause: unknown): ClusterError {
  const systemCode = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
  return new ClusterError(
    'CW_STEP_FAILED',
    `the server could not make a folder for the run: ${messageOf(cause)}`,
    { cause, systemCode, serverFault: true },
  )
}

/** Programs without types may log anything. */
function textOf(message: unknown): string {
  return typeof message === 'string' ? message : (JSON.stringify(message) ?? String(message))
}

/** Longer inputs do not fit into an environment variable; such a process reads its input another way. */
const longestVariable = 100_000

/**
 * The variables that tell a command what it runs for: CLUSTER_PROCESS, CLUSTER_REQUEST_ID, CLUSTER_NODE,
 * CLUSTER_TOKEN, in a compensation CLUSTER_COMPENSATES, CLUSTER_INPUT (JSON), and CLUSTER_INPUT_<NAME> for each text, number and boolean in the input.
 */
export function describeInEnvironment(
  run: Pick<RunContext, 'requestId' | 'process' | 'node' | 'token' | 'input' | 'compensates'>,
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
