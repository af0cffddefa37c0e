import type pg from 'pg'
import type { Database } from './database.ts'
import { statementName } from './statement-name.ts'

/** The channel on which servers listen for hints. */
export function wakeChannel(db: Database): string {
  return `${db.schema}_wake`
}

/** Tells the servers that listen that there may be something to claim. A hint: nothing depends on it. */
export async function wakeServers(db: Database): Promise<void> {
  await db.query(queueHint(db))
}

/** Tells the servers that listen that a component is to be checked, or a version imported. A hint, too. */
export async function hintComponents(db: Database): Promise<void> {
  await db.query(hint(db, 'component'))
}

/** The statement of `wakeServers`, for those that send it along with another one. */
export function queueHint(db: Database): pg.QueryConfig {
  return hint(db, 'queue')
}

/**
 * A commit with a NOTIFY waits for the disk, and for the standby, as if it had written something, and all others with a NOTIFY wait
 * behind it. What nothing depends on need not be durable.
 */
function hint(db: Database, payload: string): pg.QueryConfig {
  const text = `select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`
  return { name: statementName('hint', text), text, values: [wakeChannel(db), payload] }
}
