import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError, messageOf } from '../errors.ts'
import { shortestSecret } from './masker.ts'

export { Masker } from './masker.ts'

/** @throws {ClusterError} CW_SECRET_UNKNOWN */
export type ReadSecret = (name: string) => Promise<string>

/** The names that secrets may have. */
export const secretName: RegExp = /^[A-Z][A-Z0-9_]{0,99}$/

const longestSecretBytes = 64 * 1024

/**
 * Reads secrets by their names, each time anew, so that a changed one holds at once: from the environment variable
 * `CLUSTER_SECRET_<NAME>`, else from the file `<folder>/<NAME>`, which only its owner may read. A newline at the end of a
 * file does not belong to the secret.
 */
export function readSecretFrom(folder: string, environment: NodeJS.ProcessEnv): ReadSecret {
  return async name => {
    if (!secretName.test(name))
      throw unknown(`expected the name of a secret to be of A-Z, 0-9 and _, got '${clip(name)}'`)
    const variable = `CLUSTER_SECRET_${name}`
    const path = join(folder, name)
    const value = environment[variable] ?? (await readFile(path, name))
    if (value === undefined)
      throw unknown(
        `this server has no secret ${name}: set ${variable} for it, or write ${path} (readable by its owner only)`,
      )
    // Shorter ones could not be masked without making every log unreadable.
    if (value.length < shortestSecret)
      throw unknown(
        `the secret ${name} has ${value.length} characters: one of fewer than ${shortestSecret} cannot be kept out of logs`,
      )
    return value
  }
}

async function readFile(path: string, name: string): Promise<string | undefined> {
  const file = await openFile(path, name)
  if (!file) return undefined
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw unknown(`the secret ${name} is refused: ${path} is no file`)
    if ((stats.mode & 0o077) !== 0)
      throw unknown(
        `the secret ${name} is refused: others than its owner may read or change ${path}; run: chmod 600 '${path}'`,
      )
    if (stats.size > longestSecretBytes)
      throw unknown(
        `the secret ${name} is refused: ${path} is larger than ${longestSecretBytes} bytes`,
      )
    return (await file.readFile('utf8')).replace(/\r?\n$/, '')
  } finally {
    await file.close()
  }
}

/** Does not wait when it is a pipe. */
async function openFile(path: string, name: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw unknown(`the secret ${name} cannot be read: ${messageOf(error)}`)
  }
}

function unknown(message: string): ClusterError {
  return new ClusterError('CW_SECRET_UNKNOWN', message)
}

function clip(name: string): string {
  return name.slice(0, 60).toWellFormed()
}
