import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readdir, realpath, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ClusterError } from '../errors.ts'
import { makeOwnFolder } from './own-folder.ts'
import { canUse, findPostgresAccount } from './postgres-account.ts'
import type { PostgresAccount } from './postgres-account.ts'

/** Where a server of ours lives, and who runs it. */
export interface PostgresHome {
  folder: string
  account: PostgresAccount
}

const locationFile = 'LOCATION'
const ours = /^(data(\.\d+\.\w+)?|server\.log|\.s\.PGSQL\..*|LOCATION)$/

/**
 * Makes the folder ready for PostgreSQL: there, ours alone, and within reach of the account. A folder
 * that the account cannot reach, such as one below /root, stays as a sign that points to another,
 * which is always the same for it.
 * @throws {ClusterError} CW_CONFIG when the folder holds other things or belongs to somebody else
 */
export async function preparePostgresHome(wanted: string): Promise<PostgresHome> {
  // Not in one call, which would close the parents to everybody, too.
  await mkdir(dirname(wanted), { recursive: true })
  await mkdir(wanted, { recursive: true, mode: 0o700 })
  const folder = await realpath(wanted)
  const names = await readdir(folder)
  const strange = names.find(name => !ours.test(name))
  if (strange !== undefined)
    throw new ClusterError(
      'CW_CONFIG',
      `expected folder to be empty or a database folder of cluster-worker, got ${folder}, which holds ${strange}`,
      { field: 'folder' },
    )
  const account = await findPostgresAccount(folder)
  await giveTo(account, folder)
  if (!names.includes(locationFile) && (await canUse(account, folder))) return { folder, account }
  if (account.uid === undefined)
    throw new ClusterError('CW_CONFIG', `expected folder to be writable, got ${folder}`, {
      field: 'folder',
    })
  return { folder: await relocate(folder, account.uid, account), account }
}

async function relocate(folder: string, uid: number, account: PostgresAccount): Promise<string> {
  const name = `postgres-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
  const location = await realpath(await makeOwnFolder(name, [0, uid]))
  await giveTo(account, location)
  await writeFile(join(folder, locationFile), `${location}\n`)
  return location
}

async function giveTo({ uid, gid }: PostgresAccount, folder: string): Promise<void> {
  const owner = (await stat(folder)).uid
  const needed = uid ?? process.getuid?.()
  if (uid === undefined && needed !== undefined && owner !== needed)
    throw new ClusterError(
      'CW_CONFIG',
      `expected folder to belong to user ${needed}, who runs this, got ${folder} of user ${owner}`,
      { field: 'folder' },
    )
  if (uid !== undefined && gid !== undefined && owner !== uid) await chown(folder, uid, gid)
  await chmod(folder, 0o700)
}
