import { toJsonText } from '../base/json.ts'
import type { StepPhase, UndoOnce } from '../base/record.ts'
import { ClusterError } from '../errors.ts'
import type { Step } from '../step/step.ts'
import { beginStep } from './begin-step.ts'
import { errorText, failureOf, type Failure } from './failure.ts'
import type { Run, RunContext } from './run-context.ts'
import { StepHandle } from './step-handle.ts'
import type { BegunStep, StepPlace } from './step-journal.ts'

/** A step that is to be done, and for whom. */
export interface StepToDo {
  readonly run: Run
  readonly context: RunContext
  readonly phase: 'step' | 'on_failure'
  readonly position: number
  readonly step: Step<never, unknown>
  /** Variables for its commands, beside those of the run. */
  readonly told?: Readonly<Record<string, string>>
}

/**
 * Does one step and records it; resolves with the failure instead of throwing it. A function that succeeds without
 * waiting for anything is done when this returns, and there is no promise.
 */
export function doStep(todo: StepToDo): Promise<Failure | undefined> | undefined {
  const { run, phase, position, step } = todo
  const begun = beginStep(run, placeOf(run, phase, position, step))
  return begun instanceof Promise ? begun.then(later => perform(todo, later)) : perform(todo, begun)
}

function perform(todo: StepToDo, begun: BegunStep): Promise<Failure | undefined> | undefined {
  const { run, context, step, told = {} } = todo
  const mayFinish = todo.phase === 'on_failure'
  try {
    if (mayFinish) run.throwIfOver()
    else run.throwIfStopped()
    if (step.undoUnfinished) context.begin(step)
    const handle = new StepHandle<never>(run, context, step, { title: step.name, mayFinish, told })
    const returned = step.perform(handle)
    return returned instanceof Promise
      ? whenReturned(todo, begun, returned)
      : succeed(todo, begun, returned)
  } catch (error) {
    return fail(todo, begun, error)
  }
}

async function whenReturned(
  todo: StepToDo,
  begun: BegunStep,
  returning: Promise<unknown>,
): Promise<Failure | undefined> {
  begun.goesOn()
  try {
    return await succeed(todo, begun, await returning)
  } catch (error) {
    return fail(todo, begun, error)
  }
}

/** @throws {ClusterError} CW_RESULT_UNSERIALISABLE, before anything is recorded */
function succeed(
  { run, context, step }: StepToDo,
  begun: BegunStep,
  returned: unknown,
): Promise<undefined> | undefined {
  const title = `the output of step '${step.name}'`
  const output = toJsonText(returned, title, 'CW_RESULT_UNSERIALISABLE')
  const exitCode = exitCodeOf(step, returned)
  context.finish(step, returned, output)
  run.onStepEnd(step.kind)
  return begun.end({ state: 'succeeded', output, exitCode })?.then(() => undefined)
}

async function fail({ run, step }: StepToDo, begun: BegunStep, error: unknown): Promise<Failure> {
  run.onStarted()
  run.onStepEnd(step.kind, error)
  const failure = failureOf(error, step.name)
  const code = error instanceof ClusterError ? error.details['exitCode'] : undefined
  await begun.end({
    state: failure.outcome === 'cancelled' ? 'cancelled' : 'failed',
    error: errorText(error),
    exitCode: typeof code === 'number' ? code : null,
  })
  return failure
}

/** Which step of the run it is, for its record. */
export function placeOf(
  { requestId }: Run,
  phase: StepPhase,
  position: number,
  step: Step<never, unknown>,
): StepPlace {
  const undoOnce = phase === 'step' ? undoOnceOf(step) : null
  return { requestId, phase, position, name: step.name, kind: step.kind, undoOnce }
}

function undoOnceOf(step: Step<never, unknown>): UndoOnce {
  if (!step.undo) return null
  return step.undoUnfinished ? 'begun' : 'finished'
}

function exitCodeOf(step: Step<never, unknown>, output: unknown): number | null {
  if (step.kind !== 'command' || typeof output !== 'object' || output === null) return null
  return 'exitCode' in output && typeof output.exitCode === 'number' ? output.exitCode : null
}
