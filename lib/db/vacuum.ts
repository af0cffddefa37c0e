import type { Database } from './database.ts'

/**
 * Frees the space of the rows that have left `queue` and `running`. Every request goes through both, so that at full speed they
 * would be many times their size before autovacuum, which looks once a minute, comes by. Waits for nobody, and blocks no reader or
 * writer; what another session is vacuuming is left out, as are tables that the role may not vacuum.
 */
export async function vacuumRooms(db: Database): Promise<void> {
  const { queue, running } = db.t
  await db.query({
    text: `vacuum (skip_locked, truncate false, parallel 0) ${queue}, ${running}`,
  })
}
