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
 * Moves requests whose time has come from `scheduled` to `queue`.
 *
 * Other servers do the same at the same time: each skips what another has locked. Cancel deletes the scheduled
 * row or finds the queue's.
 */
export async function promote(db: Database): Promise<Promotion> {
  const { t } = db
  const { rows } = await db.query<{ moved: number; next_in_ms: number | null }>({
    name: `${db.schema}.promote`,
    text: `
      with due as materialized (
        select id from ${t.scheduled}
        where run_at <= clock_timestamp()
        order by run_at, id limit ${batch}
        for update skip locked
      ), gone as (
        delete from ${t.scheduled} as s using due where s.id = due.id
        returning s.id, s.lane, s.priority, s.input
      ), moved as (
        insert into ${t.queue} (id, lane, priority, input)
        select id, lane, priority, input from gone
        returning 1
      )
      select (select count(*) from moved)::integer as moved,
        (select extract(epoch from min(run_at) - clock_timestamp()) * 1000
         from ${t.scheduled} where run_at > clock_timestamp())::float8 as next_in_ms`,
  })
  const row = rows[0]
  const moved = row?.moved ?? 0
  return { moved, isFull: moved === batch, nextInMs: row?.next_in_ms ?? null }
}
