import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ClusterError } from '../errors.ts'
import { findDiskFault } from './disk-full.ts'

/** How many commands in a row may fail to start, through no fault of theirs, before it is the server. */
const limit = 3

const probeTimeoutMs = 10_000

/** Counts the commands in a row that this server could not start. */
export class SpawnFailures {
  #inARow = 0

  /**
   * @param error why the command failed; nothing when it did not
   * @returns why this server cannot start commands, when that is so
   */
  note(error: unknown): string | undefined {
    const isOurs = error instanceof ClusterError && error.details['serverFault'] === true
    if (!isOurs || findDiskFault(error) !== undefined) {
      this.#inARow = 0
      return undefined
    }
    this.#inARow += 1
    return this.#inARow >= limit ? error.message : undefined
  }
}

/** Starts the smallest command there is. */
export async function probeSpawn(): Promise<void> {
  await promisify(execFile)('/bin/sh', ['-c', 'true'], { timeout: probeTimeoutMs })
}
