import type { Queryable } from './database.ts'
import type { Tables } from './tables.ts'

/** One life of the database: from a start of PostgreSQL, or a promotion, to the next. No session outlives it. */
export interface Era {
  readonly id: string
  /** How long ago a server saw it first, by the database's clock, in milliseconds; null when none has yet. */
  readonly ageMs: number | null
}

/** The timeline that PostgreSQL writes now. (The control file still shows the old one right after a promotion.) */
const timeline = `('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer`

/** An SQL query: the era that it is now. */
export function era(t: Tables): string {
  return `
    select concat_ws('/', extract(epoch from now_is.started_at), now_is.timeline) as id,
      (extract(epoch from clock_timestamp() - era.first_seen_at) * 1000)::float8 as "ageMs"
    from (select pg_postmaster_start_time() as started_at, ${timeline} as timeline) as now_is
    left join ${t.era} as era using (started_at, timeline)`
}

/** Keeps when this era was first seen; only its first caller writes. */
export async function rememberEra(db: Queryable, t: Tables): Promise<void> {
  await db.query({
    text: `
      insert into ${t.era} (started_at, timeline) values (pg_postmaster_start_time(), ${timeline})
      on conflict do nothing`,
  })
}
