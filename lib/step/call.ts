import { setTimeout as delay } from 'node:timers/promises'
import type { Duration } from '../base/duration.ts'
import { ClusterError, messageOf, type ErrorCode } from '../errors.ts'
import {
  checkKeys,
  fieldAt,
  kindOf,
  readTimeout,
  readUndoUnfinished,
  rejectFor,
} from './check-definition.ts'
import { contextOf } from './context.ts'
import { checkName } from './name.ts'
import { makeStep, type Step, type StepContext, type StepRun } from './step.ts'
import { StopWatch } from './stop-watch.ts'

export interface CallOptions<Input> {
  /** How long the function, and its undo, may take. Defaults to no limit. */
  timeout?: Duration
  /** Takes back what the finished function did. It must do no harm when it is called twice. */
  undo?: (context: StepContext<Input>) => unknown
  /**
   * Whether the undo also runs when the function began and did not finish: it failed, was stopped, or its server was
   * lost. Then `isUnfinished` is true, and there is no output. Defaults to false.
   */
  undoUnfinished?: boolean
}

/**
 * A step that is a function of this program. What it returns must be JSON; later steps read it with
 * `output(step)`.
 *
 * A function cannot be forced to end: when its timeout is over or its request is cancelled, its
 * `signal` is aborted, and if it has not settled after the server's grace it is left behind.
 * @throws {ClusterError} CW_DEFINITION when the name, the function or an option cannot be used
 */
export function call<Input = any, Output = unknown>(
  name: string,
  fn: (context: StepContext<Input>) => Output | Promise<Output>,
  options: CallOptions<Input> = {},
): Step<Input, Output> {
  checkName(name, 'name')
  const reject = rejectFor(name)
  checkKeys(options, ['timeout', 'undo', 'undoUnfinished'], '', reject)
  const { undo } = options
  if (typeof fn !== 'function')
    throw reject('fn', `expected fn to be a function, got ${kindOf(fn)}`)
  if (undo !== undefined && typeof undo !== 'function')
    throw reject('undo', `expected undo to be a function, got ${kindOf(undo)}`)
  const undoUnfinished = readUndoUnfinished(options.undoUnfinished, undo !== undefined, reject)
  const timeoutMs = readTimeout(options.timeout, fieldAt('', 'timeout'), name)

  const title = `function '${name}'`
  return makeStep<Input, Output>({
    name,
    kind: 'function',
    timeoutMs,
    fingerprint: JSON.stringify({
      function: name,
      fn: String(fn),
      timeoutMs,
      undo: undo && String(undo),
      undoUnfinished: undoUnfinished || undefined,
    }),
    perform: run => callFunction(fn, run, timeoutMs, title),
    undo:
      undo &&
      (async run => {
        await callFunction(undo, run, timeoutMs, `undo of function '${name}'`)
      }),
    undoUnfinished,
  })
}

type Settled<Output> = { value: Output } | { thrown: unknown }

function callFunction<Input, Output>(
  fn: (context: StepContext<Input>) => Output | Promise<Output>,
  run: StepRun<Input>,
  timeoutMs: number | undefined,
  title: string,
): Output | Promise<Output> {
  const stop = new StopWatch(run, timeoutMs, title)
  let settling: Settled<Output> | Promise<Settled<Output>> | undefined
  try {
    stop.throwIfAsked()
    settling = settle(fn, contextOf(run, stop))
    run.onStarted()
    if (settling instanceof Promise) return whenSettled(settling, run, stop, title)
    stop.stopClock()
    stop.throwIfAsked()
    return outcomeOf(settling, title)
  } finally {
    if (!(settling instanceof Promise)) stop.close()
  }
}

async function whenSettled<Output>(
  settling: Promise<Settled<Output>>,
  run: Pick<StepRun, 'killGraceMs' | 'force' | 'sink'>,
  stop: StopWatch,
  title: string,
): Promise<Output> {
  try {
    const settled = await Promise.race([settling, stop.asked()])
    stop.stopClock()
    if (!stop.isAsked && settled) return outcomeOf(settled, title)
    if (!settled && !(await settlesWithin(settling, run)))
      await run.sink.write(
        'system',
        `[${title} did not end when it was stopped, and is left behind]\n`,
      )
    throw stop.reason
  } finally {
    stop.close()
  }
}

/** What the function comes to: at once, when it does not wait for anything. */
function settle<Input, Output>(
  fn: (context: StepContext<Input>) => Output | Promise<Output>,
  context: StepContext<Input>,
): Settled<Output> | Promise<Settled<Output>> {
  try {
    const returned = fn(context)
    return isThenable(returned) ? settleLater(returned) : { value: returned }
  } catch (thrown) {
    return { thrown }
  }
}

async function settleLater<Output>(promise: PromiseLike<Output>): Promise<Settled<Output>> {
  try {
    return { value: await promise }
  } catch (thrown) {
    return { thrown }
  }
}

function isThenable<Output>(value: Output | PromiseLike<Output>): value is PromiseLike<Output> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  )
}

async function settlesWithin(
  settling: Promise<unknown>,
  { killGraceMs, force }: Pick<StepRun, 'killGraceMs' | 'force'>,
): Promise<boolean> {
  const timer = new AbortController()
  const signal = AbortSignal.any([timer.signal, force])
  const patience = delay(killGraceMs, false, { signal }).catch(() => false)
  const isSettled = await Promise.race([settling.then(() => true), patience])
  timer.abort()
  return isSettled
}

/** What these codes say of a run, an error from inside a function (of another request, say) must not say. */
const ofTheRun = new Set<ErrorCode>([
  'CW_CANCELLED',
  'CW_DEFINITION_CHANGED',
  'CW_INPUT_INVALID',
  'CW_NODE_LOST',
  'CW_STEP_TIMEOUT',
  'CW_STOPPED',
  'CW_UNDO_FAILED',
])

function outcomeOf<Output>(settled: Settled<Output>, title: string): Output {
  if ('value' in settled) return settled.value
  const { thrown } = settled
  if (thrown instanceof ClusterError && !ofTheRun.has(thrown.code)) throw thrown
  throw new ClusterError('CW_STEP_FAILED', `${title} failed: ${readable(thrown)}`, {
    cause: thrown,
  })
}

/** A message that can be stored: without NULs and lone surrogates. */
function readable(thrown: unknown): string {
  return messageOf(thrown).replaceAll('\0', '\u2400').toWellFormed()
}
