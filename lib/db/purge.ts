import type { Database } from './database.ts'

/** How many requests one statement removes at most, so that it stays short. */
const batch = 1000

/**
 * Removes requests that finished longer ago than `ageMs`, with their steps, logs and uses of versions. Several servers may purge at
 * the same time: each skips what another has locked. A lost request stays as long as the one that compensates it,
 * which needs its records. A key of a purged request may be used again.
 * @returns how many requests were removed
 */
export async function purgeFinished(db: Database, ageMs: number): Promise<number> {
  let removed = 0
  for (;;) {
    const some = await purgeSome(db, ageMs)
    removed += some
    if (some === 0) return removed
  }
}

async function purgeSome(db: Database, ageMs: number): Promise<number> {
  const { t } = db
  const { rows } = await db.query<{ removed: number }>({
    text: `
      with old as materialized (
        select id from ${t.finished} as f where finished_at < now() - $1 * interval '1 ms'
          and not exists (select from ${t.request} as c where c.compensates = f.id)
        limit ${batch} for update skip locked
      ), logs as (
        delete from ${t.log} using old where request_id = old.id
      ), steps as (
        delete from ${t.stepRecord} using old where request_id = old.id
      ), uses as (
        delete from ${t.versionUse} using old where request_id = old.id
      ), rooms as (
        delete from ${t.finished} as f using old where f.id = old.id
      ), records as (
        delete from ${t.request} as r using old where r.id = old.id returning 1
      )
      select count(*)::integer as removed from records`,
    values: [ageMs],
  })
  return rows[0]?.removed ?? 0
}
