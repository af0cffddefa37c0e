import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isToken } from '../artifact/object-key.ts'

/**
 * Removes what an earlier life of this server has left, which was killed, in folders where everything of ours has a token as
 * its name. For the server that alone uses the folders, before it begins anything there: what comes into them after this
 * call is of this life, and stays.
 * @param signal aborted to leave the rest to the next life
 */
export async function clearLeftovers(
  folders: readonly string[],
  { signal, onError }: { signal: AbortSignal; onError: (error: unknown, where: string) => void },
): Promise<void> {
  const left = folders.flatMap(folder => {
    try {
      return list(folder)
    } catch (error) {
      onError(error, 'leftovers')
      return []
    }
  })
  for (const path of left) {
    if (signal.aborted) return
    await rm(path, { recursive: true, force: true }).catch((error: unknown) =>
      onError(error, 'leftovers'),
    )
  }
}

/** Nothing of a folder that was never made. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(isToken)
      .map(name => join(folder, name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
