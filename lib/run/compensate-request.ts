import type { Ending, LostRun, RecordedStep, StepPhase } from '../base/record.ts'
import { ClusterError, messageOf } from '../errors.ts'
import type { Process } from '../step/define-process.ts'
import type { Step } from '../step/step.ts'
import { doOnFailure, undoSteps, type MayBegin } from './after-failure.ts'
import { failedEnding, failureOf, type Failure, type ToldFailure } from './failure.ts'
import { parseInput } from './parse-input.ts'
import { RunContext, type Run } from './run-context.ts'

/**
 * Runs one claimed compensation from start to end: the undo of what the lost request had done, in reverse order, and
 * then the on-failure steps of the process. What was begun before, by the lost request itself or by a compensation
 * that was lost too, is not begun again.
 *
 * It succeeds when everything is undone. Cancelling it while it runs changes nothing, as with every undo.
 * @throws only when `lastSignal` was aborted: then nothing more may be said about the run
 */
export async function compensateRequest(run: Run, lost: LostRun): Promise<Ending> {
  const failure = await takeBack(run, lost)
  await run.flushLog()
  run.throwIfOver()
  return failure
    ? failedEnding(failure)
    : { outcome: 'succeeded', reason: null, error: null, result: null }
}

async function takeBack(run: Run, lost: LostRun): Promise<Failure | undefined> {
  let context: RunContext
  try {
    checkSameSteps(run.process, lost)
    context = recall(run, lost, await parseInput(run.process, run.storedInput))
  } catch (error) {
    return failureOf(error)
  }
  const find = (phase: StepPhase, position: number) =>
    lost.steps.find(step => step.phase === phase && step.position === position)
  const isLeft = (position: number): boolean => isUndoable(find('step', position))
  const mayBegin: MayBegin = (phase, position) =>
    !find(phase, position) && (phase === 'on_failure' || isLeft(position))
  const errors = await undoSteps(run, context, mayBegin)
  await doOnFailure(run, context, failureToTell(lost), mayBegin)
  return judge(lost, errors)
}

/**
 * A definition that is not the one that ran must not undo what it does not know.
 * @throws {ClusterError} CW_DEFINITION_CHANGED
 */
function checkSameSteps(process: Process, lost: LostRun): void {
  for (const recorded of lost.steps) {
    const step = stepAt(process, recorded.phase, recorded.position)
    const fault = faultOf(recorded, step)
    if (fault === undefined) continue
    throw new ClusterError(
      'CW_DEFINITION_CHANGED',
      `nothing was undone: ${fault} in version ${process.version} of process '${process.name}', which this server has; undo request ${lost.requestId} by hand`,
      { field: recorded.name },
    )
  }
}

function faultOf(recorded: RecordedStep, step: Step<never, unknown> | undefined) {
  const kind = recorded.phase === 'on_failure' ? 'on-failure step' : 'step'
  const title = `${kind} ${recorded.position + 1} of the lost run was '${recorded.name}', which`
  if (!step) return `${title} is missing`
  if (step.name !== recorded.name) return `${title} is '${step.name}'`
  return isUndoable(recorded) && !step.undo ? `${title} has no undo` : undefined
}

function stepAt(process: Process, phase: StepPhase, position: number) {
  return (phase === 'on_failure' ? process.onFailure : process.steps)[position]
}

/** Whether the lost run left something of this step to undo, by the definition that ran. */
function isUndoable(recorded: RecordedStep | undefined): boolean {
  if (recorded?.phase !== 'step') return false
  const { state, undoOnce } = recorded
  return undoOnce === 'begun' ? state !== 'skipped' : undoOnce !== null && state === 'succeeded'
}

/** The context as it was when the lost run ended, out of its records. */
function recall(run: Run, lost: LostRun, input: unknown): RunContext {
  const context = new RunContext(input)
  for (const recorded of lost.steps) {
    const step = run.process.steps[recorded.position]
    if (!step || recorded.phase !== 'step') continue
    if (recorded.state === 'succeeded') context.outputs.set(step, recorded.output)
    else if (isUndoable(recorded)) context.begin(step)
  }
  return context
}

/** The step that had failed before the server was lost, or that was running then. */
function failureToTell({ error, steps }: LostRun): ToldFailure {
  const failed = steps.findLast(
    ({ phase, state }) => phase === 'step' && state !== 'succeeded' && state !== 'skipped',
  )
  return { message: failed?.error ?? error, step: failed?.name ?? '' }
}

function judge(lost: LostRun, errors: ReadonlyMap<string, unknown>): Failure | undefined {
  const before = lost.steps.filter(({ phase, state }) => phase === 'undo' && state !== 'succeeded')
  const problems = [
    ...before.map(({ name, error }) => `'${name}', which was begun before: ${error}`),
    ...Array.from(errors, ([name, error]) => `'${name}': ${messageOf(error)}`),
  ]
  if (problems.length === 0) return undefined
  const message = `request ${lost.requestId} is not undone in full; look at what is left of step ${problems.join('; ')}`
  return failureOf(new ClusterError('CW_UNDO_FAILED', message))
}
