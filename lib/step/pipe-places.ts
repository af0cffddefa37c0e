import { readdirSync, rmSync, statSync, type Stats } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How the folders are called that pipes are made in. They are there for milliseconds. */
export const pipesFolderPrefix = 'cluster-pipes-'

/** A folder that is older, in milliseconds, was left behind by a server that was killed. */
const abandonedAfterMs = 60_000

/** Where pipes are made, the first place that works. */
export function pipePlaces(): string[] {
  return ['/dev/shm', tmpdir()]
}

/** The folders in a place that servers left behind, of this user and of others. */
export function findAbandonedPipes(place: string): string[] {
  return findAbandoned(place).map(({ path }) => path)
}

/**
 * Removes what servers of this user left behind in a place. A clock that jumps may make a folder look old that is in
 * use: its owner then makes its pipes somewhere else.
 */
export function removeAbandonedPipes(place: string): void {
  const uid = process.getuid?.()
  for (const { path, stats } of findAbandoned(place))
    if (stats.uid === uid) rmSync(path, { recursive: true, force: true })
}

function findAbandoned(place: string): { path: string; stats: Stats }[] {
  const now = new Date().getTime()
  return list(place)
    .filter(name => name.startsWith(pipesFolderPrefix))
    .flatMap(name => {
      const path = join(place, name)
      const stats = statSync(path, { throwIfNoEntry: false })
      return stats?.isDirectory() && now - stats.mtimeMs > abandonedAfterMs ? [{ path, stats }] : []
    })
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
