import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Ending } from '../base/record.ts'
import type { Step } from '../step/step.ts'
import { doOnFailure, undoSteps } from './after-failure.ts'
import { doStep, placeOf } from './do-step.ts'
import { failedEnding, failureOf, toldOf, type Failure } from './failure.ts'
import { parseInput } from './parse-input.ts'
import { RunContext, type Run } from './run-context.ts'

/**
 * Runs one claimed request from start to end: its steps in order; when one fails, the undo of those that
 * finished, in reverse order, and then the on-failure steps. One quick function is all done when this returns.
 * @throws only when `lastSignal` was aborted: then nothing more may be said about the run
 */
export function runRequest(run: Run): MaybePromise<Ending> {
  return run.process.input ? runChecked(run) : doSteps(run, new RunContext(run.storedInput), 0)
}

/** The input is checked first, and becomes what its schema makes of it. */
async function runChecked(run: Run): Promise<Ending> {
  let context: RunContext
  try {
    context = new RunContext(await parseInput(run.process, run.storedInput))
  } catch (error) {
    return endFailed(run, new RunContext(run.storedInput), 0, failureOf(error))
  }
  return doSteps(run, context, 0)
}

/** @param from the position of the first that is to be done */
function doSteps(run: Run, context: RunContext, from: number): MaybePromise<Ending> {
  for (let position = from; position < run.process.steps.length; position++) {
    const doing = doStep({ run, context, phase: 'step', position, step: stepAt(run, position) })
    if (doing) return goOn(run, context, position + 1, doing)
  }
  return endWhenLogged(run, succeededEnding(context))
}

async function goOn(
  run: Run,
  context: RunContext,
  next: number,
  doing: Promise<Failure | undefined>,
): Promise<Ending> {
  const failure = await doing
  return failure ? endFailed(run, context, next, failure) : doSteps(run, context, next)
}

/** @param next the position of the first step that is not to be done any more */
async function endFailed(
  run: Run,
  context: RunContext,
  next: number,
  failure: Failure,
): Promise<Ending> {
  for (let position = next; position < run.process.steps.length; position++)
    await run.journal.skip(placeOf(run, 'step', position, stepAt(run, position)))
  await undoSteps(run, context)
  if (failure.outcome === 'failed') await doOnFailure(run, context, toldOf(failure))
  return endWhenLogged(run, failedEnding(failure))
}

function endWhenLogged(run: Run, ending: Ending): MaybePromise<Ending> {
  const end = (): Ending => {
    run.throwIfOver()
    return ending
  }
  const flushing = run.flushLog()
  return flushing ? flushing.then(end) : end()
}

function stepAt({ process }: Run, position: number): Step<never, unknown> {
  return process.steps[position] as Step<never, unknown>
}

/** The result is what the last step returned. */
function succeededEnding({ lastOutput }: RunContext): Ending {
  return { outcome: 'succeeded', reason: null, error: null, result: lastOutput }
}
