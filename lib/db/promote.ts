import type { Database } from './database.ts'

/** How many requests one statement promotes at most, so that it stays short. */
const batch = 1000

export interface Promotion {
  readonly moved: number
  /** Whether as many were moved as one statement moves at most: more may be due already. */
  readonly isFull: boolean
  /** The milliseconds until the next one is due that is not due yet, by the database's clock; null without one. */
  readonly nextInMs: number | null
}

/**
 * Moves requests whose time has come from `scheduled` to `queue`, in one statement: the function `promote` of the schema
 * (`migrations/016_functions_of_servers.sql`).
 *
 * Other servers do the same at the same time: each skips what another has locked. Cancel deletes the scheduled
 * row or finds the queue's.
 */
export async function promote(db: Database): Promise<Promotion> {
  const { rows } = await db.query<{ moved: number; next_in_ms: number | null }>({
    name: `${db.schema}.promote`,
    text: `select moved, next_in_ms from ${db.t.promote}($1)`,
    values: [batch],
  })
  const row = rows[0]
  const moved = row?.moved ?? 0
  return { moved, isFull: moved === batch, nextInMs: row?.next_in_ms ?? null }
}
