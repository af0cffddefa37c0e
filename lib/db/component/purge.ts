import type { Database } from '../database.ts'

/** How many rows one statement looks at, so that it stays short. */
const batch = 1000

/**
 * Removes what is told of imports and deployments that ended longer ago than `ageMs`, in groups. Several servers may do
 * so at once: each skips what another has locked.
 *
 * Of attempts to import a version the last one stays, which says who has imported it, or why nobody could; and those
 * that have left something in the store, until it is swept.
 * @param size how many rows one statement looks at
 */
export async function purgeAttempts(
  db: Database,
  ageMs: number,
  size: number = batch,
): Promise<void> {
  const { t } = db
  let after = { ended: '-infinity', token: '00000000-0000-0000-0000-000000000000' }
  for (;;) {
    const { rows } = await db.query<{ ended: string; token: string }>({
      text: `
        with old as materialized (
          select token, version_id, began_at, ended_at from ${t.importAttempt}
          where swept and ended_at < now() - $1 * interval '1 ms'
            and (ended_at, token) > ($2::timestamptz, $3::uuid)
          order by ended_at, token limit $4 for update skip locked
        ), gone as (
          delete from ${t.importAttempt} as a using old
          where a.token = old.token and exists (
            select from ${t.importAttempt} later
            where later.version_id = old.version_id and later.began_at > old.began_at)
        )
        select ended_at::text as ended, token from old order by ended_at desc, token desc limit 1`,
      values: [ageMs, after.ended, after.token, size],
    })
    const [last] = rows
    if (!last) return
    after = last
  }
}

/**
 * Removes lines of the inventory that were undone, or replaced by a later one, longer ago than `ageMs`, as long as the
 * requests that may still take a line back are gone, too. For each target and component what is there now stays for
 * good, and the version before it, so that there is a way back.
 *
 * Who records for the same target at that moment adds a line on top, which changes nothing below.
 */
export async function purgeInventory(
  db: Database,
  ageMs: number,
  size: number = batch,
): Promise<void> {
  const { t } = db
  const isSettled = (line: string): string =>
    `not exists (select from ${t.request} r where r.id = ${line}.request_id)`
  let after = '0'
  for (;;) {
    const { rows } = await db.query<{ last: string | null }>({
      text: `
        with old as materialized (
          select id, target, component_id, request_id, undone_at from ${t.inventory}
          where id > $2 and at < now() - $1 * interval '1 ms'
          order by id limit $3 for update skip locked
        ), spare as (
          select old.id from old
          left join lateral (
            select s.id, s.version_id from ${t.inventory} s
            where s.target = old.target and s.component_id = old.component_id and s.undone_at is null
              and s.at < now() - $1 * interval '1 ms' and ${isSettled('s')}
            order by s.id desc limit 1
          ) as top on true
          left join lateral (
            select b.id from ${t.inventory} b
            where b.target = old.target and b.component_id = old.component_id and b.undone_at is null
              and b.id < top.id and b.version_id <> top.version_id
            order by b.id desc limit 1
          ) as before on true
          where case when old.undone_at is null
            then old.id < top.id and old.id is distinct from before.id
            else old.undone_at < now() - $1 * interval '1 ms' and ${isSettled('old')} end
        ), gone as (
          delete from ${t.inventory} as i using spare where i.id = spare.id
        )
        select max(id) as last from old`,
      values: [ageMs, after, size],
    })
    const last = rows[0]?.last
    if (typeof last !== 'string') return
    after = last
  }
}
