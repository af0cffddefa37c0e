import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError, messageOf } from '../lib/errors.ts'
import { labelOf, type ServerOptions } from '../lib/options.ts'
import { parseOptions } from '../lib/read-options.ts'

/** What `cluster-worker dev` leaves for the other commands in its folder. */
export type DevNote = Pick<ServerOptions, 'schema'> & { connectionString: string }

/** Writes the note; nobody else may read it, because a URL may hold a password. */
export async function writeDevNote(dataFolder: string, note: DevNote): Promise<void> {
  await mkdir(dataFolder, { recursive: true })
  const content = {
    [labelOf('connectionString', 'file')]: note.connectionString,
    schema: note.schema,
  }
  const unfinished = `${noteFile(dataFolder)}.${process.pid}`
  await writeFile(unfinished, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 })
  await rename(unfinished, noteFile(dataFolder))
}

export async function removeDevNote(dataFolder: string): Promise<void> {
  await rm(noteFile(dataFolder), { force: true })
}

/**
 * Reads the note; undefined when there is none.
 * @throws {ClusterError} CW_CONFIG when it cannot be read
 */
export async function readDevNote(dataFolder: string): Promise<Partial<ServerOptions> | undefined> {
  const file = noteFile(dataFolder)
  try {
    return parseOptions(JSON.parse(await readFile(file, 'utf8')), 'file')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new ClusterError(
      'CW_CONFIG',
      `expected ${file} to be written by cluster-worker dev, got: ${messageOf(error)}; remove it`,
      { cause: error },
    )
  }
}

function noteFile(dataFolder: string): string {
  return join(dataFolder, 'dev.json')
}
