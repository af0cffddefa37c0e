import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from '../base/finding.ts'
import { findAbandonedPipes, pipePlaces } from '../step/pipe-places.ts'
import type { FindRuns } from './check-leftover-processes.ts'

/** Looks for folders of runs that are over: a server that was killed could not remove them. */
export async function checkRunFolders(dataFolder: string, findRuns: FindRuns): Promise<Finding[]> {
  const runsFolder = join(dataFolder, 'runs')
  const folders = list(runsFolder).flatMap(name => {
    const [, id, token] = /^(\d{1,18})-([0-9a-f]{8})$/.exec(name) ?? []
    return id && token ? [{ id, token, path: join(runsFolder, name) }] : []
  })
  if (folders.length === 0) return []
  const runs = await findRuns(folders.map(({ id }) => id))
  if (!runs) return []
  const running = new Set(runs.map(({ id, token }) => `${id}-${token?.slice(0, 8)}`))
  const left = folders
    .filter(({ id, token, path }) => !running.has(`${id}-${token}`) && existsSync(path))
    .map(({ path }) => path)
  return left.length === 0
    ? []
    : [
        {
          name: 'run-folders-left',
          level: 'note',
          what: `${left.length} folder(s) of runs that are over are still there.`,
          why: 'A server that was killed could not remove them; they take space.',
          todo: 'Make sure that no other installation uses this data folder, whose runs look the same; then remove them.',
          command: removing(left),
          items: left.slice(0, 10),
        },
      ]
}

/**
 * Looks for folders in which pipes were made by servers that were killed meanwhile.
 * @param places where to look; defaults to where pipes are made
 */
export function checkPipeFolders(places: readonly string[] = pipePlaces()): Finding[] {
  const left = places.flatMap(findAbandonedPipes)
  return left.length === 0
    ? []
    : [
        {
          name: 'pipe-folders-left',
          level: 'note',
          what: `${left.length} folder(s) with pipes of servers that are gone are still there.`,
          why: 'They take a little memory, and nobody uses them.',
          todo: 'Nothing: the next server of the same user removes them. Or remove them now.',
          command: removing(left),
          items: left.slice(0, 10),
        },
      ]
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function removing(paths: readonly string[]): string {
  return `rm -r ${paths.map(path => `'${path.replaceAll("'", String.raw`'\''`)}'`).join(' ')}`
}
