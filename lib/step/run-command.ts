import { randomUUID } from 'node:crypto'
import type { LogSink } from '../base/log-sink.ts'
import { ClusterError } from '../errors.ts'
import { mergeOutputs, type MergedOutputs } from './merge-outputs.ts'
import type { PipeSupply } from './pipe-supply.ts'
import { stopTree, type ProcessTree } from './process-tree.ts'
import { recordOutput, type OutputRecord } from './record-output.ts'
import type { Spawn } from './spawn-failure.ts'
import { startProgram, type Exit } from './start-program.ts'
import { StopWatch, timeoutError } from './stop-watch.ts'

export interface CommandOutput {
  exitCode: number
  /** The last 16 KiB of stdout, without the newline at the end. */
  stdout: string
}

/** A command with all its arguments computed. */
export interface CommandOrder extends Spawn {
  /** How sentences call it: `command 'curl'`. */
  readonly title: string
  readonly timeoutMs: number | undefined
  /** How many bytes of output go to the log. */
  readonly outputLimit: number
  readonly successCodes: readonly number[]
}

/** Where and how a command runs. */
export interface CommandHost {
  readonly sink: LogSink
  readonly signal: AbortSignal
  /** Whether it is aborted. */
  readonly isStopped: boolean
  readonly killGraceMs: number
  readonly force: AbortSignal
  readonly pipes: PipeSupply
  /** Called when the program has been started. */
  readonly onStarted: () => void
}

/**
 * A service that the command started may keep its outputs open for ever. What the command itself wrote
 * is in the pipe when it exits, so a moment to read it is enough also on a busy machine.
 */
const afterExitMs = 1000

/**
 * Runs a command to its end, its output going to the log. When it is stopped, by its timeout or by the
 * signal, everything that it started is gone before this settles; when it exits by itself, what it
 * left behind goes on.
 * @throws {ClusterError} CW_STEP_FAILED, CW_STEP_TIMEOUT, or the signal's reason
 */
export async function runCommand(order: CommandOrder, host: CommandHost): Promise<CommandOutput> {
  const stop = new StopWatch(host, order.timeoutMs, order.title)
  try {
    return await runUntilStopped(order, host, stop)
  } finally {
    stop.close()
  }
}

async function runUntilStopped(
  order: CommandOrder,
  host: CommandHost,
  stop: StopWatch,
): Promise<CommandOutput> {
  const cookie = randomUUID()
  const program = await startProgram(order, { pipes: host.pipes, stop, cookie })
  host.onStarted()
  const outputs = mergeOutputs(program.stdout, program.stderr)
  const record = recordOutput(host.sink, order.outputLimit)
  const recorded = recordAll(outputs, record)
  const ended = endOf(program.exited, outputs, stop)
  await Promise.race([ended, stop.asked()])
  if (stop.isAsked) {
    const forbidden = await stopPolitely({ group: program.pid, cookie }, host)
    if (forbidden.length > 0) {
      outputs.close()
      await recorded
      await host.sink.write(
        'system',
        `[not allowed to stop the processes ${forbidden.join(', ')}]\n`,
      )
      throw stopError(order, stop, record)
    }
  }
  const [exitCode, exitSignal] = await ended
  await recorded
  if (stop.isAsked) throw stopError(order, stop, record)
  if (exitCode === null || !order.successCodes.includes(exitCode))
    throw exitError(order, exitCode, exitSignal, record)
  return { exitCode, stdout: record.stdout() }
}

/** Asks first, for as long as the server has time for politeness. */
async function stopPolitely(
  tree: ProcessTree,
  { killGraceMs, force }: CommandHost,
): Promise<number[]> {
  const kill = (): void => void stopTree(tree, 0).catch(() => undefined)
  force.addEventListener('abort', kill, { once: true })
  try {
    return await stopTree(tree, force.aborted ? 0 : killGraceMs)
  } finally {
    force.removeEventListener('abort', kill)
  }
}

async function endOf(
  exited: Promise<Exit>,
  outputs: MergedOutputs,
  stop: StopWatch,
): Promise<Exit> {
  const exit = await exited
  stop.stopClock()
  await outputs.finish(afterExitMs)
  return exit
}

async function recordAll(outputs: MergedOutputs, record: OutputRecord): Promise<void> {
  for await (const chunk of outputs.chunks()) await record.take(chunk)
  await record.end()
}

function exitError(
  { title }: CommandOrder,
  exitCode: number | null,
  signal: NodeJS.Signals | null,
  record: OutputRecord,
): ClusterError {
  const lastLines = record.lastLines()
  if (exitCode === null)
    return new ClusterError('CW_STEP_FAILED', `${title} was killed by ${signal}`, {
      signal,
      lastLines,
    })
  return new ClusterError('CW_STEP_FAILED', `${title} exited with code ${exitCode}`, {
    exitCode,
    lastLines,
  })
}

function stopError(order: CommandOrder, stop: StopWatch, record: OutputRecord): unknown {
  if (!stop.timedOut) return stop.reason
  return timeoutError(order.title, order.timeoutMs, { lastLines: record.lastLines() })
}
