import { randomUUID } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError } from '../errors.ts'

/** The disk takes nothing more, or the user's share of it is used up. */
const diskCodes = new Set(['ENOSPC', 'EDQUOT', 'EROFS'])

/** How much must fit before the disk counts as usable again, in bytes. */
const probeBytes = 1024 * 1024

/** Why this server's own disk takes nothing, when that is why the step failed. */
export function findDiskFault(error: unknown): string | undefined {
  if (!(error instanceof ClusterError) || error.details['serverFault'] !== true) return undefined
  return diskCodes.has(String(error.details['systemCode'])) ? error.message : undefined
}

/** Writes into the folder, down to the disk, and takes it back. */
export async function probeDisk(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `probe-${randomUUID()}`)
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(Buffer.alloc(probeBytes))
      await handle.sync()
    } finally {
      await handle.close()
    }
  } finally {
    await rm(file, { force: true })
  }
}
