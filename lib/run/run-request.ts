import type { Ending } from '../base/record.ts'
import { doOnFailure, undoSteps } from './after-failure.ts'
import { doStep, placeOf } from './do-step.ts'
import { failedEnding, failureOf, toldOf, type Failure } from './failure.ts'
import { parseInput } from './parse-input.ts'
import { openContext, type Run, type RunContext } from './run-context.ts'

/**
 * Runs one claimed request from start to end: its steps in order; when one fails, the undo of those that
 * finished, in reverse order, and then the on-failure steps.
 * @throws only when `lastSignal` was aborted: then nothing more may be said about the run
 */
export async function runRequest(run: Run): Promise<Ending> {
  const { context, failure } = await doSteps(run)
  if (failure) {
    await undoSteps(run, context)
    if (failure.outcome === 'failed') await doOnFailure(run, context, toldOf(failure))
  }
  await run.flushLog()
  run.throwIfOver()
  return failure ? failedEnding(failure) : succeededEnding(context)
}

async function doSteps(run: Run): Promise<{ context: RunContext; failure: Failure | undefined }> {
  let input = run.storedInput
  let failure: Failure | undefined
  try {
    if (run.process.input) input = await parseInput(run.process, input)
  } catch (error) {
    failure = failureOf(error)
  }
  const context = openContext(input)
  for (const [position, step] of run.process.steps.entries()) {
    if (failure) await run.journal.skip(placeOf(run, 'step', position, step))
    else failure = await doStep(run, context, 'step', position, step)
  }
  return { context, failure }
}

/** The result is what the last step returned. */
function succeededEnding({ lastOutput }: RunContext): Ending {
  return { outcome: 'succeeded', reason: null, error: null, result: lastOutput }
}
