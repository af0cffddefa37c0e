import type { Queryable } from '../../lib/db/database.ts'

/** Asks again and again, until the answer is the one that is waited for. The test's own timeout is the limit. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(setImmediate)
}

/**
 * Resolves when so many sessions of this database wait for a lock of a row or a transaction. Asks outside of any
 * transaction, within which PostgreSQL would go on showing the first answer.
 */
export function untilBlocked(db: Queryable, count: number = 1): Promise<void> {
  return until(async () => {
    const { rows } = await db.query<{ count: number }>({
      text: `
        select count(*)::integer as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    })
    return rows[0]?.count === count
  })
}
