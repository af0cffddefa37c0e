import type { LogSink } from '../base/log-sink.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Artifacts } from './artifacts.ts'
import type { PipeSupply } from './pipe-supply.ts'

/** What a function step, an undo or an argument that is a function receives. */
export interface StepContext<Input = unknown> {
  /** The request's input as its schema returns it (with defaults and transformations applied). */
  readonly input: Input
  /**
   * What an earlier step of this process returned.
   * @throws {ClusterError} CW_DEFINITION when the step is not an earlier one of this process
   */
  readonly output: <Output>(step: Step<never, Output>) => Output
  /** Aborted when the request is cancelled, the step's timeout is over, or the server stops. */
  readonly signal: AbortSignal
  /** Appends a line to the request's log. */
  readonly log: (message: string) => void
  readonly requestId: string
  /** The name of the process. */
  readonly process: string
  /** The name of this step. */
  readonly step: string
  /** The node id of the server that runs it. */
  readonly node: string
  /** Unique to this run: hand it to other systems so that they can refuse a stale caller. */
  readonly token: string
  /** In a compensation: the lost request whose finished steps it undoes. Undefined in every other run. */
  readonly compensates: string | undefined
  /** In an undo: whether its step began but is not known to have finished. Then the step has no output. */
  readonly isUnfinished: boolean
  /** The run's own folder: made before the first step that uses it, removed when the run ends. */
  readonly workFolder: () => Promise<string>
}

/** What the run hands to a step beside the context. */
export interface StepRun<Input = unknown> extends StepContext<Input> {
  readonly sink: LogSink
  /** Whether `signal` is aborted: to know it, the signal need not be made. */
  readonly isStopped: boolean
  /** Environment variables that every command of the run receives (never the server's secrets). */
  readonly environment: Readonly<Record<string, string>>
  /** How long a process tree or function that was asked to stop may take before force, in milliseconds. */
  readonly killGraceMs: number
  /** Aborted when there is no time for politeness any more. */
  readonly force: AbortSignal
  /** How many bytes of output are kept of a step that does not say so itself. */
  readonly outputLimit: number
  /** Where commands get the pipes for their outputs. */
  readonly pipes: PipeSupply
  /** Components and their versions. */
  readonly artifacts: Artifacts
  /** Called when the function has been called, or the program has been started. */
  readonly onStarted: () => void
}

export type StepKind = 'command' | 'function' | 'artifact'

/**
 * One step of a process, made by `command`, `call` and their like. It is also a function: called with the context
 * of a later step it gives what this step returned, like `context.output(step)`.
 *
 * (That it is callable is what lets TypeScript infer `input` inside `steps: [call(…)]` from the
 * schema beside it: calls to generic functions that return functions are inferred last.)
 */
export interface Step<in Input, out Output> {
  (context: StepContext<Input>): Output
  readonly name: string
  readonly kind: StepKind
  /** In milliseconds; none when the step may run for ever. */
  readonly timeoutMs: number | undefined
  /** What defines this step, for the definition's version. */
  readonly fingerprint: string
  /** Does the step; throws or rejects when it fails, with a ClusterError whose details are stored. */
  perform(run: StepRun<Input>): MaybePromise<Output>
  /** Takes back the finished step. */
  readonly undo: ((run: StepRun<Input>) => Promise<void>) | undefined
  /** Whether the undo also takes back a step that began and did not finish. */
  readonly undoUnfinished: boolean
}

/** Builds the callable step out of its parts. */
export function makeStep<Input, Output>(parts: {
  name: string
  kind: StepKind
  timeoutMs: number | undefined
  fingerprint: string
  perform(run: StepRun<Input>): MaybePromise<Output>
  undo: ((run: StepRun<Input>) => Promise<void>) | undefined
  undoUnfinished: boolean
}): Step<Input, Output> {
  const step = (context: StepContext<Input>): Output => context.output(made)
  const { name, ...rest } = parts
  Object.defineProperty(step, 'name', { value: name })
  const made: Step<Input, Output> = Object.freeze(Object.assign(step, rest))
  return made
}
