import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import type { Test } from 'tap'

export interface Outcome {
  code: number | undefined
  /** The signal that ended it, if one did. */
  signal: string | undefined
  stdout: string
  stderr: string
}

export interface Surroundings {
  /** Defaults to a folder of the test's own, which has no configuration. */
  cwd?: string
  /** Beside PATH and HOME; nothing else of our own environment reaches the binary. */
  env?: Readonly<Record<string, string>>
  stdin?: string
}

/** The words that run the binary as it is: tap would put its own hooks into every Node.js that a test starts. */
export const binary: readonly [string, ...string[]] = [
  'env',
  '-u',
  'NODE_OPTIONS',
  process.execPath,
  resolve('bin/cluster-worker.js'),
]

/** Runs the binary to its end. */
export async function runBinary(
  t: Test,
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Outcome> {
  const [program, ...words] = binary
  return runProgram(t, program, [...words, ...args], surroundings)
}

/** Runs a shell script in which `"$@"` is the binary with these arguments. */
export async function runInShell(
  t: Test,
  script: string,
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Outcome> {
  return runProgram(t, 'bash', ['-c', script, 'bash', ...binary, ...args], surroundings)
}

/** The environment of a program that is told nothing by ours. What it compiles is kept for the next. */
export function plainEnvironment(
  env: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH, HOME, NODE_COMPILE_CACHE: resolve('.tap/compile-cache'), ...env }
}

/** A folder that is gone when the test ends. */
export async function makeFolder(t: Test): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'cw-bin-')))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function runProgram(
  t: Test,
  program: string,
  args: readonly string[],
  { cwd, env, stdin }: Surroundings,
): Promise<Outcome> {
  const ended = await execa(program, args, {
    cwd: cwd ?? (await makeFolder(t)),
    env: plainEnvironment(env),
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    ...(stdin === undefined ? { stdin: 'ignore' as const } : { input: stdin }),
  })
  const { exitCode: code, signal, stdout, stderr } = ended
  return { code, signal, stdout, stderr }
}
