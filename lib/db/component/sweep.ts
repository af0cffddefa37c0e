import type { Database } from '../database.ts'
import { isHeld } from '../locks.ts'

// What may go from the store, and what went. Every server may sweep at any time, several at once: a token and an object
// that are given up never come back, so that removing them twice is the worst that can happen.

/**
 * Closes the attempts that nobody works on any more: their locks are free. An attempt begins under the lock, so that one
 * whose lock is free has ended, or its server is gone.
 */
export async function closeDeadAttempts(db: Database): Promise<number> {
  const { t } = db
  const { rowCount } = await db.query({
    text: `
      update ${t.importAttempt} as a set ended_at = clock_timestamp(), outcome = 'lost'
      where a.ended_at is null and not ${isHeld(t, 'version', 'a.version_id')}`,
  })
  return rowCount ?? 0
}

/** Attempts that came to nothing and of which something may still be in the store. */
export async function findUnswept(db: Database, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ token: string }>({
    text: `
      select token from ${db.t.importAttempt} where ended_at is not null and not swept
      order by ended_at limit $1`,
    values: [limit],
  })
  return rows.map(({ token }) => token)
}

export async function markSwept(db: Database, token: string): Promise<void> {
  await db.query({
    text: `update ${db.t.importAttempt} set swept = true where token = $1`,
    values: [token],
  })
}

/** Of these tokens, those of which nothing is needed: no object names them, and no attempt of theirs is open. */
export async function findStrayTokens(db: Database, tokens: readonly string[]): Promise<string[]> {
  const { t } = db
  const { rows } = await db.query<{ token: string }>({
    text: `
      select g.token from unnest($1::uuid[]) as g (token)
      where not exists (select from ${t.object} o where o.token = g.token)
        and not exists (select from ${t.importAttempt} a where a.token = g.token and a.ended_at is null)`,
    values: [tokens],
  })
  return rows.map(({ token }) => token)
}

/** Of these objects of one attempt, those that are not needed: another attempt has brought the same, or no version has it. */
export async function findStrayObjects(
  db: Database,
  token: string,
  hashes: readonly string[],
): Promise<string[]> {
  const { t } = db
  const { rows } = await db.query<{ hash: string }>({
    text: `
      select g.hash from unnest($2::text[]) as g (hash)
      where not exists (select from ${t.object} o where o.token = $1 and o.hash = decode(g.hash, 'hex'))
        and not exists (select from ${t.importAttempt} a where a.token = $1 and a.ended_at is null)`,
    values: [token, hashes],
  })
  return rows.map(({ hash }) => hash)
}

/** What `doomObjects` did. */
export interface Doomed {
  /** How many contents it has looked at; fewer than it might have when there are no more. */
  readonly looked: number
  /** How many of them a publication is about to use. */
  readonly later: number
  /** How many objects were given up, and their bytes. */
  readonly objects: number
  readonly bytes: number
}

/**
 * Gives up objects that no version has any more, among those that some version has lost. One that a publication is just
 * about to use is locked by its foreign key: it is left for the next time. Should the publication have committed in this
 * very moment, the foreign key refuses the deletion, and nothing has happened. Of several servers that do so at once each
 * looks at others.
 */
export function doomObjects(db: Database, limit: number): Promise<Doomed> {
  const { t } = db
  return db.transaction(async client => {
    const { rows: loose } = await client.query<{ hash: string }>({
      text: `
        with mine as materialized (
          select id from ${t.looseObject} order by id limit $1 for update skip locked
        )
        delete from ${t.looseObject} as l using mine where l.id = mine.id returning encode(l.hash, 'hex') as hash`,
      values: [limit],
    })
    if (loose.length === 0) return { looked: 0, later: 0, objects: 0, bytes: 0 }
    // A statement of its own: it sees the removal of the files for which the rows above were written.
    const { rows } = await client.query<Omit<Doomed, 'looked'>>({
      text: `
        with unused as materialized (
          select o.hash from ${t.object} o
          where o.hash in (select decode(h, 'hex') from unnest($1::text[]) as g (h))
            and not exists (select from ${t.versionFile} f where f.hash = o.hash)
        ), free as materialized (
          select o.hash from ${t.object} o join unused using (hash) for update of o skip locked
        ), later as (
          insert into ${t.looseObject} (hash)
          select hash from unused where hash not in (select hash from free) returning 1
        ), gone as (
          delete from ${t.object} as o using free where o.hash = free.hash
          returning o.token, o.hash, o.size
        ), doomed as (
          insert into ${t.doomedObject} (token, hash) select token, hash from gone
        )
        select (select count(*) from later)::integer as later, count(*)::integer as objects,
          coalesce(sum(size), 0)::float8 as bytes
        from gone`,
      values: [loose.map(({ hash }) => hash)],
    })
    return { looked: loose.length, ...(rows[0] ?? { later: 0, objects: 0, bytes: 0 }) }
  })
}

/** Objects that were given up and are still in the store. */
export async function findDoomed(
  db: Database,
  limit: number,
): Promise<{ token: string; hash: string }[]> {
  const { rows } = await db.query<{ token: string; hash: string }>({
    text: `select token, encode(hash, 'hex') as hash from ${db.t.doomedObject} order by token limit $1`,
    values: [limit],
  })
  return rows
}

/** They are in the store no longer. */
export async function forgetDoomed(
  db: Database,
  objects: readonly { token: string; hash: string }[],
): Promise<void> {
  await db.query({
    text: `
      delete from ${db.t.doomedObject} as d
      using unnest($1::uuid[], $2::text[]) as g (token, hash)
      where d.token = g.token and d.hash = decode(g.hash, 'hex')`,
    values: [objects.map(({ token }) => token), objects.map(({ hash }) => hash)],
  })
}
