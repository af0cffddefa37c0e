import type { Database } from '../database.ts'
import type { LockSession } from '../lock-session.ts'
import { heldNumbers } from '../locks.ts'
import type { StoredError } from '../status.ts'
import type { ComponentRow } from './components.ts'
import { gapBefore } from './import-gap.ts'
import { keepComponent, lockVersion } from './publish.ts'

/** A version that some server is to import. */
export interface WantedVersion {
  readonly id: string
  readonly name: string
  readonly ref: Readonly<Record<string, unknown>>
  readonly component: ComponentRow
}

export interface DueImports {
  readonly due: readonly WantedVersion[]
  /** The milliseconds until another one is due, by the database's clock; null without one. */
  readonly nextInMs: number | null
}

/**
 * The versions that are to be imported now and that nobody imports, the oldest wish first. Of an incremental component the
 * version alone that was found first, for those behind it build on it; and none while the import of one before it is cancelled.
 * Asked first is when the next one is due, whatever it waits for: most often there is none.
 * @param types the types of sources that this server knows
 */
export async function findDueImports(
  db: Database,
  types: readonly string[],
  limit: number,
): Promise<DueImports> {
  const { t } = db
  const { rows: next } = await db.query<{ next_in_ms: number | null }>({
    name: `${db.schema}.find-next-import`,
    text: `
      select (extract(epoch from min(next_at) - clock_timestamp()) * 1000)::float8 as next_in_ms
      from ${t.wantedImport}`,
  })
  const nextInMs = next[0]?.next_in_ms ?? null
  if (nextInMs === null || nextInMs > 0) return { due: [], nextInMs }
  const { rows } = await db.query<WantedRow>({
    name: `${db.schema}.find-due-imports`,
    text: `
      with held as materialized (${heldNumbers(t, 'version')})
      select v.id, v.name, v.ref, c.id as component_id, c.name as component, c.definition,
        (extract(epoch from v.next_at - clock_timestamp()) * 1000)::float8 as wait_ms
      from (
        select v.*, w.next_at, min(v.id) over (partition by v.component_id) as first_id
        from ${t.wantedImport} w join ${t.version} v on v.id = w.version_id
      ) as v
      join ${t.component} c on c.id = v.component_id
      where not c.paused and c.source_type = any ($1)
        and v.id % 4294967296 not in (select number from held)
        and (c.definition ->> 'versions' is distinct from 'incremental'
          or (v.id = v.first_id and ${gapBefore(t, 'c.id', 'v.id')} is null))
      order by v.next_at, v.id limit $2 + 1`,
    values: [types, limit],
  })
  const due = rows.filter(row => row.wait_ms <= 0).slice(0, limit)
  const later = rows.find(row => row.wait_ms > 0)
  return {
    due: due.map(row => ({
      id: row.id,
      name: row.name,
      ref: row.ref,
      component: { id: row.component_id, name: row.component, definition: row.definition },
    })),
    nextInMs: later?.wait_ms ?? null,
  }
}

interface WantedRow {
  id: string
  name: string
  ref: Record<string, unknown>
  component_id: number
  component: string
  definition: unknown
  wait_ms: number
}

/**
 * Begins an attempt, under the lock of the version. Whoever had the lock before and did not end its attempt is gone: that
 * one is closed, so that its token can publish nothing any more. Who withdraws the wish at the same moment comes first, or
 * closes the attempt (`cancelImport`). All who touch a wish and its attempts lock the wish first.
 * @returns false when the version is wanted no longer, because somebody has just published it, has withdrawn the wish, or
 *   has removed the component
 */
export async function beginAttempt(
  db: Database,
  session: LockSession,
  attempt: { token: string; versionId: string; node: string },
): Promise<boolean> {
  const { t } = db
  return session.transaction(async () => {
    await lockVersion(db, session, attempt.versionId)
    if (!(await keepComponent(db, session, attempt.versionId))) return false
    // Whoever wished for it in the moment in which it was published may have had no time to take that back.
    await session.query({
      text: `
        delete from ${t.wantedImport} as w using ${t.publication} p
        where w.version_id = $1 and p.version_id = w.version_id`,
      values: [attempt.versionId],
    })
    const { rowCount: wishes } = await session.query({
      text: `select from ${t.wantedImport} where version_id = $1 for update`,
      values: [attempt.versionId],
    })
    if (wishes !== 1) return false
    await session.query({
      text: `
        update ${t.importAttempt} set ended_at = clock_timestamp(), outcome = 'lost'
        where version_id = $1 and ended_at is null`,
      values: [attempt.versionId],
    })
    await session.query({
      text: `insert into ${t.importAttempt} (token, version_id, node) values ($1, $2, $3)`,
      values: [attempt.token, attempt.versionId, attempt.node],
    })
    return true
  })
}

/**
 * Tells how much an attempt has stored so far. False when it was closed, or its component was removed: it can publish
 * nothing any more.
 */
export async function noteProgress(
  db: Database,
  token: string,
  files: number,
  bytes: number,
): Promise<boolean> {
  const { t } = db
  const { rowCount } = await db.query({
    text: `
      update ${t.importAttempt} as a set files = $2, bytes = $3
      from ${t.version} v join ${t.component} c on c.id = v.component_id
      where a.token = $1 and a.ended_at is null and v.id = a.version_id and c.name is not null`,
    values: [token, files, bytes],
  })
  return rowCount === 1
}

export type AttemptOutcome = 'published' | 'failed' | 'lost' | 'cancelled'

/**
 * Ends an attempt that has failed; the next one comes later with each failure in a row, up to an hour. One whose wish was
 * withdrawn was cancelled.
 * @param isOurs it was this server that could not go on: the next attempt comes at once
 * @returns how the attempt has ended, now or before; undefined when it is gone with its component
 */
export async function failAttempt(
  db: Database,
  attempt: { token: string; versionId: string },
  error: StoredError,
  isOurs: boolean,
): Promise<AttemptOutcome | undefined> {
  const { t } = db
  await db.query({
    text: `
      with wish as materialized (
        select version_id from ${t.wantedImport} where version_id = $2 for update
      ), ended as (
        update ${t.importAttempt} set ended_at = clock_timestamp(),
          outcome = case when exists (select from wish) then 'failed' else 'cancelled' end,
          error = case when exists (select from wish) then $3::jsonb end
        where token = $1 and ended_at is null returning version_id
      )
      update ${t.wantedImport} as w
      set failures = failures + case when $4 then 0 else 1 end,
        next_at = now() + case when $4 then 0 else least(10 * 2 ^ least(failures, 20), 3600) end * interval '1 s'
      from ended where w.version_id = ended.version_id`,
    values: [attempt.token, attempt.versionId, JSON.stringify(error), isOurs],
  })
  // A statement of its own: it sees what the one before may have waited for.
  const { rows } = await db.query<{ outcome: AttemptOutcome }>({
    text: `select outcome from ${t.importAttempt} where token = $1`,
    values: [attempt.token],
  })
  return rows[0]?.outcome
}

/** Which of these contents the store has already, by their hashes in hexadecimal. */
export async function findKnown(db: Database, hashes: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ hash: string }>({
    text: `
      select encode(hash, 'hex') as hash from ${db.t.object}
      where hash in (select decode(h, 'hex') from unnest($1::text[]) as g (h))`,
    values: [hashes],
  })
  return new Set(rows.map(({ hash }) => hash))
}

/** What was published of a version, and by the token of which attempt; undefined when nothing was. */
export async function findPublication(
  db: Database,
  versionId: string,
): Promise<{ token: string; files: number; bytes: number } | undefined> {
  const { rows } = await db.query<{ token: string; files: number; bytes: number }>({
    text: `
      select token, files::float8 as files, bytes::float8 as bytes from ${db.t.publication} where version_id = $1`,
    values: [versionId],
  })
  return rows[0]
}
