import { toJsonText } from '../base/json.ts'
import type { StepPhase, UndoOnce } from '../base/record.ts'
import { ClusterError } from '../errors.ts'
import type { Step } from '../step/step.ts'
import { beginStep } from './begin-step.ts'
import { errorText, failureOf, type Failure } from './failure.ts'
import type { Run, RunContext } from './run-context.ts'
import { StepHandle } from './step-handle.ts'
import type { StepPlace } from './step-journal.ts'

/**
 * Does one step and records it; gives the failure instead of throwing it.
 * @param told variables for its commands, beside those of the run
 */
export async function doStep(
  run: Run,
  context: RunContext,
  phase: 'step' | 'on_failure',
  position: number,
  step: Step<never, unknown>,
  told: Readonly<Record<string, string>> = {},
): Promise<Failure | undefined> {
  const mayFinish = phase === 'on_failure'
  const beginning = beginStep(run, placeOf(run, phase, position, step))
  const finish = beginning instanceof Promise ? await beginning : beginning
  const handle = new StepHandle<never>(run, context, step, { title: step.name, mayFinish, told })
  let output: string
  let exitCode: number | null
  try {
    if (mayFinish) run.throwIfOver()
    else run.throwIfStopped()
    if (step.undoUnfinished) context.unfinished.add(step)
    const returned = await step.perform(handle)
    output = toJsonText(returned, `the output of step '${step.name}'`, 'CW_RESULT_UNSERIALISABLE')
    exitCode = exitCodeOf(step, returned)
    context.outputs.set(step, returned)
    context.lastOutput = output
    context.unfinished.delete(step)
  } catch (error) {
    run.onStarted()
    run.onStepEnd(step.kind, error)
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
  run.onStepEnd(step.kind)
  const ending = finish({ state: 'succeeded', output, exitCode })
  if (ending) await ending
  return undefined
}

/** Which step of the run it is, for its record. */
export function placeOf(
  run: Run,
  phase: StepPhase,
  position: number,
  step: Step<never, unknown>,
): StepPlace {
  const { requestId } = run
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
