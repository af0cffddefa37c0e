import type { StepPhase } from '../base/record.ts'
import type { Step } from '../step/step.ts'
import { beginStep } from './begin-step.ts'
import { doStep, placeOf } from './do-step.ts'
import { errorText, type ToldFailure } from './failure.ts'
import type { Run, RunContext } from './run-context.ts'
import { StepHandle } from './step-handle.ts'

/** Whether an undo or an on-failure step may begin: in a compensation it may have begun before. */
export type MayBegin = (phase: StepPhase, position: number) => boolean

/**
 * Undoes what finished, and what only began where the step asks for it, last first. An undo that fails is recorded,
 * and the others still run.
 * @returns what was thrown, by the step's name
 */
export async function undoSteps(
  run: Run,
  context: RunContext,
  mayBegin: MayBegin = () => true,
): Promise<Map<string, unknown>> {
  const errors = new Map<string, unknown>()
  for (const [position, step] of [...run.process.steps.entries()].toReversed()) {
    if (!isToUndo(context, step) || !mayBegin('undo', position)) continue
    try {
      await undoStep(run, context, position, step)
    } catch (error) {
      errors.set(step.name, error)
    }
  }
  return errors
}

/** Runs the on-failure steps. One that fails is recorded, and the others still run. */
export async function doOnFailure(
  run: Run,
  context: RunContext,
  { message, step: failedStep }: ToldFailure,
  mayBegin: MayBegin = () => true,
): Promise<void> {
  const told = { CLUSTER_ERROR: message, CLUSTER_FAILED_STEP: failedStep }
  for (const [position, step] of run.process.onFailure.entries())
    if (mayBegin('on_failure', position))
      await doStep({ run, context, phase: 'on_failure', position, step, told })
}

function isToUndo(context: RunContext, step: Step<never, unknown>): boolean {
  return step.undo !== undefined && (context.outputs.has(step) || context.isUnfinished(step))
}

/** Undoes one step and records it. */
async function undoStep(
  run: Run,
  context: RunContext,
  position: number,
  step: Step<never, unknown>,
): Promise<void> {
  const begun = await beginStep(run, placeOf(run, 'undo', position, step))
  const told = context.isUnfinished(step) ? { CLUSTER_UNFINISHED: '1' } : {}
  const handle = new StepHandle<never>(run, context, step, {
    title: `undo ${step.name}`,
    mayFinish: true,
    told,
  })
  try {
    run.throwIfOver()
    await step.undo?.(handle)
  } catch (error) {
    await begun.end({ state: 'failed', error: errorText(error) })
    throw error
  }
  await begun.end({ state: 'succeeded' })
}
