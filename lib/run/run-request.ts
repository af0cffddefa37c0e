import { toJsonText } from '../base/json.ts'
import type { Ending } from '../base/record.ts'
import type { Step } from '../step/step.ts'
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
    if (failure) await run.journal.skip(placeOf(run, 'step', position, step))
    else failure = await doStep(run, context, 'step', position, step)
  }
  return { context, failure }
}

function succeededEnding(run: Run, context: RunContext): Ending {
  const returned = context.outputs.get(run.process.steps.at(-1) as Step<never, unknown>)
  const result = toJsonText(returned, 'the result', 'CW_RESULT_UNSERIALISABLE')
  return { outcome: 'succeeded', reason: null, error: null, result }
}
