import type { Database } from './database.ts'
import { ClusterError } from '../errors.ts'
import { translateError } from './translate-error.ts'

/** The oldest PostgreSQL that this version works with. */
const oldestVersion = 14

/**
 * Looks whether a server can work with this database at all, before it starts.
 * @param use one that only reads needs no session of its own, and no right to write
 * @throws {ClusterError} CW_DATABASE_UNFIT with what to do, CW_CONNECTION
 */
export async function checkDatabase(db: Database, use: 'read' | 'write' = 'write'): Promise<void> {
  const session = await db.connectAlone()
  try {
    const { rows } = await session.query<{
      version: string
      pid: number
      read_only: string
      encoding: string
      isolation: string
    }>(`
      select current_setting('server_version_num') as version, pg_backend_pid() as pid,
        current_setting('default_transaction_read_only') as read_only,
        current_setting('server_encoding') as encoding,
        current_setting('default_transaction_isolation') as isolation`)
    const found = rows[0]
    if (!found) throw unfit('the database did not answer the first question')
    const major = Math.floor(Number(found.version) / 10_000)
    if (major < oldestVersion)
      throw unfit(
        `PostgreSQL ${oldestVersion} or later is needed, this is ${major}; upgrade the database`,
      )
    if (found.encoding !== 'UTF8')
      throw unfit(
        `the database's encoding is ${found.encoding}, but UTF8 is needed; create it with: createdb --encoding UTF8 --template template0`,
      )
    if (use === 'read') return
    if (found.isolation !== 'read committed')
      throw unfit(
        `default_transaction_isolation is ${found.isolation}; set it to read committed for this role or database`,
      )
    if (found.read_only === 'on')
      throw unfit('default_transaction_read_only is on; switch it off for this role or database')
    const announced = (session as unknown as { processID: number | null }).processID
    if (announced !== found.pid)
      throw unfit(
        'a connection pooler in transaction or statement mode stands between, which breaks the locks that prove which server is alive; let the database URL of servers name PostgreSQL itself',
      )
  } catch (error) {
    throw translateError(error)
  } finally {
    await session.end()
  }
}

function unfit(message: string): ClusterError {
  return new ClusterError('CW_DATABASE_UNFIT', message, { field: 'connectionString' })
}
