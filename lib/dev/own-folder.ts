import { chmod, lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ClusterError } from '../errors.ts'

/**
 * Makes `name` in the first of the places where we may, and returns its path. An older one that may
 * be used wins over a better place, so that what it holds is found again.
 * @param uids who may own it; in a folder that others can write to, somebody else could have put it there
 * @throws {ClusterError} CW_CONFIG when no place can be used
 */
export async function makeOwnFolder(
  name: string,
  uids: readonly number[],
  places: readonly string[] = sharedPlaces(),
): Promise<string> {
  const paths = places.map(place => join(place, name))
  for (const path of paths) if (await isOwnFolder(path, uids)) return path
  for (const path of paths)
    try {
      const place = dirname(path)
      if (await mkdir(place, { recursive: true })) await chmod(place, 0o755)
      await mkdir(path, { mode: 0o700 })
      return path
    } catch {
      if (await isOwnFolder(path, uids)) return path
    }
  throw new ClusterError(
    'CW_CONFIG',
    `expected to make a folder of our own, which nobody else may write to, at ${paths.join(' or ')}; remove what is there, or allow us to write`,
    { field: 'folder' },
  )
}

/** Whether the path is a folder of one of these users that no other user can write to. */
export async function isOwnFolder(path: string, uids: readonly number[]): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return !!found?.isDirectory() && uids.includes(found.uid) && (found.mode & 0o022) === 0
}

/** Places that every account can reach, the one that lasts longer first. */
export function sharedPlaces(): string[] {
  return ['/var/lib/cluster-worker', tmpdir()]
}
