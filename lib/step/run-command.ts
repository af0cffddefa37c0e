import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { execa } from 'execa'
import type { LogSink } from '../base/log-sink.ts'
import { ClusterError } from '../errors.ts'
import { mergeOutputs, type MergedOutputs } from './merge-outputs.ts'
import { cookieName, stopTree } from './process-tree.ts'
import { recordOutput, type OutputRecord } from './record-output.ts'
import { explainSpawnFailure, type Spawn } from './spawn-failure.ts'
import { timeoutError, watchStop, type StopWatch } from './stop-watch.ts'

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
  readonly killGraceMs: number
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
  const stop = watchStop(host, order.timeoutMs, order.title)
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
  stop.signal.throwIfAborted()
  const cookie = randomUUID()
  const child = start(order, cookie)
  const { pid } = child
  if (pid === undefined) throw await startError(order, (await child).code)

  const exited = exitOf(child.nodeChildProcess)
  const outputs = mergeOutputs(child.stdout, child.stderr)
  const record = recordOutput(host.sink, order.outputLimit)
  const recorded = recordAll(outputs, record)
  const ended = endOf(exited, outputs, stop)
  await Promise.race([ended, stop.asked])
  if (stop.signal.aborted) {
    const forbidden = await stopTree({ group: pid, cookie }, stop.graceMs())
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
  const [exitCode, signal] = await ended
  await recorded
  if (stop.signal.aborted) throw stopError(order, stop, record)
  if (exitCode === null || !order.successCodes.includes(exitCode))
    throw exitError(order, exitCode, signal, record)
  return { exitCode, stdout: record.stdout() }
}

type Exit = [exitCode: number | null, signal: NodeJS.Signals | null]

function start({ file, args, cwd, env }: Spawn, cookie: string) {
  return execa(file, args, {
    cwd,
    env: { ...env, [cookieName]: cookie },
    extendEnv: false,
    stdin: 'ignore',
    buffer: false,
    reject: false,
    killDescendants: true,
    // The escalation is ours: it must reach the processes that left the group, too.
    forceKillAfterDelay: false,
  })
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise(resolve => {
    child.once('exit', (...exit) => resolve(exit))
  })
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

async function startError(order: CommandOrder, code = 'unknown reason'): Promise<ClusterError> {
  return new ClusterError('CW_STEP_FAILED', await explainSpawnFailure(code, order), {
    systemCode: code,
    lastLines: [],
  })
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
  if (!stop.timedOut) return stop.signal.reason
  return timeoutError(order.title, order.timeoutMs, { lastLines: record.lastLines() })
}
