import type { Ending } from '../base/record.ts'
import { doOnFailure, undoSteps } from './after-failure.ts'
import { doStep, placeOf } from './do-step.ts'
import { failedEnding, failureOf, toldOf, type Failure } from './failure.ts'
import { parseInput } from './parse-input.ts'
import { RunContext, type Run } from './run-context.ts'

/**
 * Runs one claimed request from start to end: its steps in order; when one fails, the undo of those that
 * finished, in reverse order, and then the on-failure steps.
 * @throws only when `lastSignal` was aborted: then nothing more may be said about the run
 */
export async function runRequest(run: Run): Promise<Ending> {
  let input = run.storedInput
  let failure: Failure | undefined
  try {
    if (run.process.input) input = await parseInput(run.process, input)
  } catch (error) {
    failure = failureOf(error)
  }
  const context = new RunContext(input)
  let position = 0
  for (const step of run.process.steps) {
    if (failure) await run.journal.skip(placeOf(run, 'step', position, step))
    else {
      const done = doStep({ run, context, phase: 'step', position, step })
      failure = done instanceof Promise ? await done : done
    }
    position++
  }
  if (failure) {
    await undoSteps(run, context)
    if (failure.outcome === 'failed') await doOnFailure(run, context, toldOf(failure))
  }
  const flushing = run.flushLog()
  if (flushing) await flushing
  run.throwIfOver()
  return failure ? failedEnding(failure) : succeededEnding(context)
}

/** The result is what the last step returned. */
function succeededEnding({ lastOutput }: RunContext): Ending {
  return { outcome: 'succeeded', reason: null, error: null, result: lastOutput }
}
