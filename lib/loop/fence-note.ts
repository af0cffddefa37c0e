import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterError } from '../errors.ts'

/**
 * Notes on the server's own disk that it has fenced itself, and why. The database cannot be told at that moment: it is
 * what the server has lost. The next life of the node tells it. Writes at once, because the program may end.
 *
 * That something else than the database is missing is no reason for a note.
 */
export function writeFenceNote(
  dataFolder: string,
  node: string,
  { code, message }: ClusterError,
  onError: (error: unknown, where: string) => void,
): void {
  if (code !== 'CW_NODE_LOST') return
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
    writeFileSync(fileOf(dataFolder, node), message, { mode: 0o600 })
  } catch (error) {
    onError(error, 'fence')
  }
}

/** Why the last life of the node fenced itself, if it did. */
export function readFenceNote(dataFolder: string, node: string): string | undefined {
  try {
    return readFileSync(fileOf(dataFolder, node), 'utf8')
  } catch {
    return undefined
  }
}

/** To be called when the database has been told. */
export function removeFenceNote(dataFolder: string, node: string): void {
  rmSync(fileOf(dataFolder, node), { force: true })
}

function fileOf(dataFolder: string, node: string): string {
  return join(dataFolder, `fenced-${node}`)
}
