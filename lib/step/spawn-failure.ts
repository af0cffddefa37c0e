import { constants, type Stats } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'

/** What was to be started. */
export interface Spawn {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * Says in a sentence why a program could not be started. The operating system gives the same code for
 * many causes (ENOENT for a missing folder, program or interpreter), so this looks which it was.
 * @param code the error code of the operating system, such as `ENOENT`
 */
export async function explainSpawnFailure(code: string, spawn: Spawn): Promise<string> {
  return (
    (await explainFolder(spawn.cwd)) ??
    (await explainProgram(code, spawn)) ??
    `'${spawn.file}' could not be started (${code})`
  )
}

/** What the system lacks, whatever program is to be started. */
const scarce = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'])

/**
 * Whether it is the server that cannot start programs, and not this program that cannot be started: the system lacks
 * something, or has no shell.
 */
export async function isServersFault(code: string, { file, cwd }: Spawn): Promise<boolean> {
  if (scarce.has(code)) return true
  const isShell = file === '/bin/sh' && (code === 'ENOENT' || code === 'EACCES')
  return isShell && (await explainFolder(cwd)) === undefined
}

async function explainFolder(cwd: string): Promise<string | undefined> {
  const found = await lookAt(cwd)
  if (!found) return `working folder '${cwd}' does not exist`
  if (!found.isDirectory()) return `working folder '${cwd}' is not a folder`
  if (!(await isPermitted(cwd)))
    return `working folder '${cwd}' cannot be entered (permission denied)`
  return undefined
}

async function explainProgram(code: string, spawn: Spawn): Promise<string | undefined> {
  const { file, args, env } = spawn
  if (code === 'E2BIG') {
    const bytes = [file, ...args, ...Object.entries(env).flat()].reduce(
      (sum, text) => sum + Buffer.byteLength(text) + 1,
      0,
    )
    return `the arguments and environment of '${file}' are too long for the operating system (${bytes} bytes; hand over large data in a file)`
  }
  const path = await locate(spawn)
  if (!path) return code === 'ENOENT' ? notFound(spawn) : undefined
  if ((await lookAt(path))?.isDirectory()) return `'${file}' is a directory, not a program`
  if (code === 'EACCES') return `'${file}' is not executable (permission denied)`
  return code === 'ENOENT' ? explainInterpreter(file, path) : undefined
}

function notFound({ file, cwd, env }: Spawn): string {
  if (file.includes('/')) return `command not found: '${resolve(cwd, file)}'`
  const { PATH } = env
  return `command not found: '${file}' (looked in PATH ${PATH === undefined ? 'which is not set' : PATH})`
}

/** The first file of this name in the folders of PATH, executable or not. */
async function locate({
  file,
  cwd,
  env: { PATH = '/bin:/usr/bin' },
}: Spawn): Promise<string | undefined> {
  const places = file.includes('/') ? [''] : PATH.split(delimiter)
  for (const place of places) {
    const path = resolve(cwd, join(place, file))
    if (await lookAt(path)) return path
  }
  return undefined
}

/** The program is there, so what is missing is the program that its first line names. */
async function explainInterpreter(file: string, path: string): Promise<string | undefined> {
  const line = await readFirstLine(path)
  const interpreter = /^#! *([^ ]+)/.exec(line)?.[1]
  if (!interpreter) return `'${file}' needs a loader or library that does not exist`
  if (interpreter.endsWith('\r'))
    return `'${file}' has Windows line ends: its first line asks for the interpreter '${interpreter.slice(0, -1)}\\r', which does not exist`
  return `'${file}' needs the interpreter '${interpreter}', which does not exist`
}

async function readFirstLine(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined)
  if (!file) return ''
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256)
    return buffer.toString('utf8', 0, bytesRead).split('\n', 1)[0] ?? ''
  } catch {
    return ''
  } finally {
    await file.close()
  }
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch {
    return undefined
  }
}

async function isPermitted(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
