import { toJsonText } from '../base/json.ts'
import type { Ending, StepPhase } from '../base/record.ts'
import { ClusterError } from '../errors.ts'
import type { Process } from '../step/define-process.ts'
import type { PipeSupply } from '../step/pipe-supply.ts'
import type { Step, StepRun } from '../step/step.ts'
import { errorText, failureOf, type Failure } from './failure.ts'
import { parseInput } from './parse-input.ts'
import { describeInEnvironment, stepRun, type RunContext } from './run-context.ts'
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
  /** Variables that every command of this server receives. */
  readonly environment: Readonly<Record<string, string>>
  readonly runsFolder: string
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly pipes: PipeSupply
  readonly log: RunLog
  readonly journal: StepJournal
  /** Aborted to end the steps: cancelled, or the server stops. Undo and on-failure steps still run. */
  readonly stepSignal: AbortSignal
  /** Aborted to end everything at once: the server may no longer act. */
  readonly lastSignal: AbortSignal
}

/**
 * Runs one claimed request from start to end: its steps in order; when one fails, the undo of those that
 * finished, in reverse order, and then the on-failure steps.
 * @throws only when `lastSignal` was aborted: then nothing more may be said about the run
 */
export async function runRequest(run: Run): Promise<Ending> {
  const { context, failure } = await doSteps(run)
  if (failure) {
    await undoSteps(run, context)
    if (failure.outcome === 'failed') await doOnFailure(run, context, failure)
  }
  await run.log.flush()
  run.lastSignal.throwIfAborted()
  return failure ? failedEnding(failure) : succeededEnding(run, context)
}

async function doSteps(run: Run): Promise<{ context: RunContext; failure: Failure | undefined }> {
  let context = openContext(run, run.storedInput)
  let failure: Failure | undefined
  try {
    context = openContext(run, await parseInput(run.process, run.storedInput))
  } catch (error) {
    failure = failureOf(error)
  }
  for (const [position, step] of run.process.steps.entries()) {
    if (failure) await run.journal.skip(place(run, 'step', position, step))
    else failure = await doStep(run, context, 'step', position, step)
  }
  return { context, failure }
}

function openContext(run: Run, input: unknown): RunContext {
  const { requestId, token, node, runsFolder, killGraceMs, outputLimit, pipes } = run
  const about = { requestId, token, node, input, process: run.process.name }
  const environment = { ...run.environment, ...describeInEnvironment(about) }
  return { ...about, runsFolder, killGraceMs, outputLimit, pipes, environment, outputs: new Map() }
}

/** Does one step and records it; gives the failure instead of throwing it. */
async function doStep(
  run: Run,
  context: RunContext,
  phase: StepPhase,
  position: number,
  step: Step<never, unknown>,
  extra?: Readonly<Record<string, string>>,
): Promise<Failure | undefined> {
  const signal = phase === 'step' ? run.stepSignal : run.lastSignal
  const finish = run.journal.begin(place(run, phase, position, step))
  const signals = { signal, force: run.lastSignal }
  const handle = stepRun(context, step.name, run.log.sinkOf(step.name), signals, extra)
  let output: string
  let exitCode: number | null
  try {
    signal.throwIfAborted()
    const returned = await step.perform(handle as StepRun<never>)
    output = toJsonText(returned, `the output of step '${step.name}'`, 'CW_RESULT_UNSERIALISABLE')
    exitCode = exitCodeOf(step, returned)
    context.outputs.set(step, returned)
  } catch (error) {
    const failure = failureOf(error, step.name)
    const state = failure.outcome === 'cancelled' ? 'cancelled' : 'failed'
    const code = error instanceof ClusterError ? error.details['exitCode'] : undefined
    await finish({
      state,
      error: errorText(error),
      exitCode: typeof code === 'number' ? code : null,
    })
    return failure
  }
  await finish({ state: 'succeeded', output, exitCode })
  return undefined
}

/** Undoes what finished, last first. An undo that fails is recorded, and the others still run. */
async function undoSteps(run: Run, context: RunContext): Promise<void> {
  const finished = [...run.process.steps.entries()].filter(([, step]) => context.outputs.has(step))
  for (const [position, step] of finished.toReversed()) {
    if (!step.undo) continue
    const finish = run.journal.begin(place(run, 'undo', position, step))
    const signals = { signal: run.lastSignal, force: run.lastSignal }
    const handle = stepRun(context, step.name, run.log.sinkOf(`undo ${step.name}`), signals)
    try {
      run.lastSignal.throwIfAborted()
      await step.undo(handle as StepRun<never>)
    } catch (error) {
      await finish({ state: 'failed', error: errorText(error) })
      continue
    }
    await finish({ state: 'succeeded' })
  }
}

async function doOnFailure(run: Run, context: RunContext, failure: Failure): Promise<void> {
  const told = {
    CLUSTER_ERROR: (JSON.parse(errorText(failure.error)) as { message: string }).message,
    CLUSTER_FAILED_STEP: failure.step ?? '',
  }
  for (const [position, step] of run.process.onFailure.entries())
    await doStep(run, context, 'on_failure', position, step, told)
}

function succeededEnding(run: Run, context: RunContext): Ending {
  const returned = context.outputs.get(run.process.steps.at(-1) as Step<never, unknown>)
  const result = toJsonText(returned, 'the result', 'CW_RESULT_UNSERIALISABLE')
  return { outcome: 'succeeded', reason: null, error: null, result }
}

function failedEnding({ outcome, reason, error, step }: Failure): Ending {
  return { outcome, reason, error: errorText(error, step), result: null }
}

function place(run: Run, phase: StepPhase, position: number, step: Step<never, unknown>) {
  return { requestId: run.requestId, phase, position, name: step.name, kind: step.kind }
}

function exitCodeOf(step: Step<never, unknown>, output: unknown): number | null {
  if (step.kind !== 'command' || typeof output !== 'object' || output === null) return null
  return 'exitCode' in output && typeof output.exitCode === 'number' ? output.exitCode : null
}
