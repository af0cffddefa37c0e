import { randomBytes } from 'node:crypto'
import { access, readFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError } from '../errors.ts'
import { failureOf, runAs } from './postgres-account.ts'
import type { PostgresServer } from './postgres-server.ts'
import { isAlive } from './postmaster.ts'

/**
 * Makes sure that the server has its data, of its own major version.
 * @throws {ClusterError} CW_CONFIG when they cannot be created, or are of another version
 */
export async function ensureData(server: PostgresServer): Promise<void> {
  const { data, binaries } = server
  if (!(await exists(data))) await createData(server)
  const version = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim()
  if (Number(version) !== binaries.major)
    throw new ClusterError(
      'CW_CONFIG',
      `expected folder to hold a database of PostgreSQL ${binaries.major}, got one of PostgreSQL ${version} in ${data}`,
      { field: 'folder' },
    )
}

/** Builds beside and renames, so that a data folder is always a whole one, whoever is faster. */
async function createData(server: PostgresServer): Promise<void> {
  const { folder, account, data, binaries, user, durable } = server
  await removeAbandoned(folder)
  const building = `${data}.${process.pid}.${randomBytes(4).toString('hex')}`
  const locale =
    binaries.major >= 17
      ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']
      : ['--locale=C']
  const sync = durable ? [] : ['--no-sync']
  const args = ['-D', building, '-U', user, '-A', 'trust', '-E', 'UTF8', ...locale, ...sync]
  try {
    await runAs({ account, cwd: folder }, binaries.initdb, args)
    await rename(building, data)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    if (await exists(data)) return
    throw new ClusterError(
      'CW_CONFIG',
      `expected initdb to create a database in ${data}, got: ${failureOf(error)}`,
      { field: 'folder', cause: error },
    )
  }
}

/** What a starter that was killed half-way left. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^data\.(\d+)\./.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid)))
      await rm(join(folder, name), { recursive: true, force: true })
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
