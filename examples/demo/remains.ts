import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What a deployment left on the disk. */
export interface Deployed {
  /** Whether the application's folder exists. */
  readonly exists: boolean
  /** The version that `current` leads to and that stands in its file VERSION. */
  readonly version: string | undefined
  /** What the on-failure step wrote. */
  readonly notifications: readonly string[]
}

export async function inspectDeployment(target: string): Promise<Deployed> {
  const folder = `${target}-notifications`
  return {
    exists: (await stat(target).catch(() => undefined)) !== undefined,
    version: await readVersion(target).catch(() => undefined),
    notifications: await readdir(folder).catch(() => []),
  }
}

async function readVersion(target: string): Promise<string> {
  const release = await readlink(join(target, 'current'))
  return (await readFile(join(target, release, 'VERSION'), 'utf8')).trim()
}

/** The ledger that the steps write: on which servers each request was begun. */
export async function readLedger(file: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  const starts = Map.groupBy(lines, line => line.split(' ')[0] ?? '')
  return new Map(
    [...starts].map(([id, entries]) => [id, entries.map(entry => entry.split(' ')[1] ?? '')]),
  )
}
