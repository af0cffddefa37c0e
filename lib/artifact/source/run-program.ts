import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { ClusterError, messageOf } from '../../errors.ts'
import { startProgram } from '../../step/start-program.ts'
import type { Spawn } from '../../step/spawn-failure.ts'
import { serverCookieName, stopTree } from '../../step/process-tree.ts'
import { keepLastLines } from '../../step/last-lines.ts'
import { sourceFailure } from '../refuse.ts'
import type { SourceContext } from '../source.ts'

export interface ProgramOrder extends Spawn {
  /** How sentences call it: `git fetch`. */
  readonly title: string
  /** Until it is stopped, in milliseconds. Defaults to as long as the context allows */
  readonly timeoutMs?: number | undefined
}

/** How long it may clean up after it has been asked to end. */
const graceMs = 2000
const mostOutput = 16 * 2 ** 20
const longestLine = 2000

/** The sources of programs' outputs need no names: Node's own pipes are enough. */
const noPipes = { take: () => Promise.resolve([]) }

/**
 * Runs a program to its end; `read` takes what it prints, and what it complains of goes to the log. When it has ended, the
 * signal is aborted, or the time is up, everything that it has started is stopped.
 * @throws {ClusterError} CW_SOURCE when it fails, with its last lines; or what `read` threw
 */
export async function runProgram<T>(
  order: ProgramOrder,
  context: Pick<SourceContext, 'signal' | 'log' | 'environment'>,
  read: (stdout: Readable) => Promise<T>,
): Promise<T> {
  const cookie = randomUUID()
  const { signal, ended } = stopSignal(order, context.signal)
  const marked = { ...order, env: { ...order.env, ...markIn(context.environment) } }
  const { pid, stdout, stderr, exited } = await start(marked, signal, cookie)
  let stopping: Promise<unknown> | undefined
  const stop = (): void => {
    stopping ??= stopTree({ group: pid, cookie }, mustHurry(signal) ? 0 : graceMs)
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  // What it leaves behind would keep its outputs open, and go on writing while we read.
  void exited.then(stop)
  const lines = keepLastLines()
  const complaints = readLines(stderr, line => {
    lines.add('stderr', Buffer.from(`${line}\n`))
    context.log(line)
  })
  try {
    const result = await read(stdout).catch((error: unknown) => {
      // Nobody reads any more, so it would never end.
      stop()
      throw signal.aborted ? signal.reason : error
    })
    const [code, killedBy] = await exited
    await complaints
    signal.throwIfAborted()
    if (code !== 0) throw exitFailure(order.title, code ?? killedBy, lines.list())
    return result
  } finally {
    ended()
    signal.removeEventListener('abort', stop)
    await stopping
    stdout.destroy()
    stderr.destroy()
  }
}

/** All that it prints. @throws {ClusterError} CW_SOURCE when that is more than 16 MiB */
export async function readOutput(stdout: Readable): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of stdout as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > mostOutput)
      throw sourceFailure(`a program has printed more than ${mostOutput} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** Calls `take` for each line, shortened. */
export async function readLines(output: Readable, take: (line: string) => void): Promise<void> {
  try {
    for await (const line of createInterface({ input: output, crlfDelay: Infinity }))
      if (line.trim() !== '') take(line.slice(0, longestLine).toWellFormed())
  } catch {
    // It was closed while it was read: the program is being stopped.
  }
}

function stopSignal({ title, timeoutMs }: ProgramOrder, outer: AbortSignal) {
  if (timeoutMs === undefined) return { signal: outer, ended: () => undefined }
  const late = new AbortController()
  const timer = setTimeout(
    () => late.abort(sourceFailure(`${title} took longer than ${timeoutMs} ms and was stopped`)),
    timeoutMs,
  )
  return { signal: AbortSignal.any([outer, late.signal]), ended: () => clearTimeout(timer) }
}

/** A server that may no longer act has no time for politeness. */
function mustHurry({ reason }: AbortSignal): boolean {
  return reason instanceof ClusterError && reason.code === 'CW_NODE_LOST'
}

/** What the guardians find the program by, which nothing in a component may change. */
function markIn(environment: SourceContext['environment']): Record<string, string> {
  const mark = environment[serverCookieName]
  return mark === undefined ? {} : { [serverCookieName]: mark }
}

async function start(order: ProgramOrder, signal: AbortSignal, cookie: string) {
  try {
    return await startProgram(order, {
      pipes: noPipes,
      stop: { throwIfAsked: () => signal.throwIfAborted() },
      cookie,
    })
  } catch (error) {
    signal.throwIfAborted()
    throw sourceFailure(`${order.title} cannot be started: ${messageOf(error)}`, error)
  }
}

function exitFailure(title: string, how: number | string | null, lines: readonly string[]) {
  const last = lines.slice(-5).join('\n')
  return sourceFailure(`${title} failed (${how})${last && `:\n${last}`}`)
}
