import type { ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import type { execa as startWithExeca } from 'execa'
import { ClusterError } from '../errors.ts'
import type { Pipe, PipeSupply } from './pipe-supply.ts'
import type { ProgramOutput } from './merge-outputs.ts'
import { cookieName } from './process-tree.ts'
import { explainSpawnFailure, isServersFault, type Spawn } from './spawn-failure.ts'
import type { StopWatch } from './stop-watch.ts'

export type Exit = [exitCode: number | null, signal: NodeJS.Signals | null]

/** A program that was started. */
export interface Program {
  /** Its process id, which is its process group, too. */
  readonly pid: number
  readonly stdout: ProgramOutput
  readonly stderr: ProgramOutput
  readonly exited: Promise<Exit>
}

/** What startProgram needs beside the program. */
export interface StartSettings {
  readonly pipes: Pick<PipeSupply, 'take'>
  /** When it is aborted, nothing is started. */
  readonly stop: Pick<StopWatch, 'throwIfAsked'>
  /** What the program, and all that it starts, is recognised by. */
  readonly cookie: string
}

/**
 * Starts a program in a process group of its own.
 * @throws {ClusterError} CW_STEP_FAILED when it cannot be started; or what it was stopped for
 */
export async function startProgram(spawn: Spawn, settings: StartSettings): Promise<Program> {
  // Loaded with the first command: programs that only enqueue have none.
  const { execa } = await import('execa')
  const pipes = await settings.pipes.take()
  try {
    settings.stop.throwIfAsked()
    const child = launch(execa, spawn, settings.cookie, pipes)
    const { pid, nodeChildProcess } = child
    if (pid === undefined) throw await startError(spawn, (await child).code)
    return { pid, exited: exitOf(nodeChildProcess), ...outputsOf(nodeChildProcess, pipes) }
  } catch (error) {
    for (const { output } of pipes) output.destroy()
    throw error
  } finally {
    // The program has its own by now; as long as ours are open, the outputs do not end.
    for (const { writeFd } of pipes) closeSync(writeFd)
  }
}

function launch(
  execa: typeof startWithExeca,
  { file, args, cwd, env }: Spawn,
  cookie: string,
  [stdout, stderr]: readonly Pipe[],
) {
  return execa(file, args, {
    cwd,
    env: { ...env, [cookieName]: cookie },
    extendEnv: false,
    stdin: 'ignore',
    stdout: fdOf(stdout),
    stderr: fdOf(stderr),
    buffer: false,
    reject: false,
    killDescendants: true,
    // The escalation is ours: it must reach the processes that left the group, too.
    forceKillAfterDelay: false,
  })
}

/** Any descriptor will do; the types of execa have only the small ones. */
function fdOf(pipe: Pipe | undefined) {
  return pipe ? (pipe.writeFd as 3) : 'pipe'
}

function outputsOf(
  { stdout, stderr }: ChildProcess,
  [ownStdout, ownStderr]: readonly Pipe[],
): Pick<Program, 'stdout' | 'stderr'> {
  return {
    stdout: ownStdout?.output ?? (stdout as Readable),
    stderr: ownStderr?.output ?? (stderr as Readable),
  }
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise(resolve => {
    child.once('exit', (...exit) => resolve(exit))
  })
}

async function startError(spawn: Spawn, code = 'unknown reason'): Promise<ClusterError> {
  return new ClusterError('CW_STEP_FAILED', await explainSpawnFailure(code, spawn), {
    systemCode: code,
    ...((await isServersFault(code, spawn)) && { serverFault: true }),
    lastLines: [],
  })
}
