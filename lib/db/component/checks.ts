import type { Database } from '../database.ts'
import type { LockSession } from '../lock-session.ts'
import { heldNumbers } from '../locks.ts'
import type { StoredError } from '../status.ts'
import type { ComponentRow } from './components.ts'

/** What a server finds when it looks for components to check. */
export interface DueChecks {
  readonly due: readonly { id: number; name: string }[]
  /** The milliseconds until another one is due, by the database's clock; null without one. */
  readonly nextInMs: number | null
}

/**
 * The components whose sources are to be asked now and by nobody else, the most overdue first. Most often there are none, and
 * every server asks again and again; so it is asked first when the next one is due, whoever may check it: without parameters,
 * PostgreSQL plans that once.
 * @param types the types of sources that this server knows
 */
export async function findDueChecks(db: Database, types: readonly string[]): Promise<DueChecks> {
  const { t } = db
  const { rows: next } = await db.query<{ next_in_ms: number | null }>({
    name: `${db.schema}.find-next-check`,
    text: `
      select min(case when is_asked then 0 else extract(epoch from due_at - clock_timestamp()) * 1000 end)::float8
        as next_in_ms
      from ${t.checkSchedule}`,
  })
  const nextInMs = next[0]?.next_in_ms ?? null
  if (nextInMs === null || nextInMs > 0) return { due: [], nextInMs }
  const { rows } = await db.query<{ id: number; name: string; wait_ms: number }>({
    name: `${db.schema}.find-due-checks`,
    text: `
      with held as materialized (${heldNumbers(t, 'component')})
      select c.id, c.name,
        case when s.is_asked then 0
          else extract(epoch from s.due_at - clock_timestamp()) * 1000 end::float8 as wait_ms
      from ${t.checkSchedule} s join ${t.component} c on c.id = s.component_id
      where c.source_type = any ($1) and (s.is_asked or s.due_at is not null)
        and c.id not in (select number from held)
      order by wait_ms limit 50`,
    values: [types],
  })
  const later = rows.find(row => row.wait_ms > 0)
  return {
    due: rows.filter(row => row.wait_ms <= 0).map(({ id, name }) => ({ id, name })),
    nextInMs: later?.wait_ms ?? null,
  }
}

export interface BegunCheck {
  readonly component: ComponentRow
  /** The number of the last one who has asked for this check. */
  readonly asked: string
}

/**
 * Looks again, under the lock of the component, whether it is to be checked; another server may just have done it.
 * @returns undefined when it is not
 */
export async function beginCheck(
  db: Database,
  session: LockSession,
  componentId: number,
  node: string,
): Promise<BegunCheck | undefined> {
  const { t } = db
  const { rows } = await session.query<ComponentRow & { asked: string }>({
    text: `
      update ${t.versionCheck} as k set began_at = clock_timestamp(), node = $2, checks = checks + 1
      from ${t.checkSchedule} s, ${t.component} c
      where k.component_id = $1 and s.component_id = $1 and c.id = $1
        and (s.is_asked or s.due_at <= clock_timestamp())
      returning c.id, c.name, c.definition, k.asked`,
    values: [componentId, node],
  })
  const row = rows[0]
  return (
    row && {
      component: { id: row.id, name: row.name, definition: row.definition },
      asked: row.asked,
    }
  )
}

/**
 * Records what a check has found, on the session that holds the component's lock: without the lock nothing is recorded.
 * Versions that are known already stay as they are, by the unique name.
 * @param importNew whether what is new is to be imported; of the very first check's versions, the last one alone
 * @returns the names of the new versions
 */
export async function recordCheck(
  db: Database,
  session: LockSession,
  { component, asked }: BegunCheck,
  versions: readonly { name: string; ref?: object | undefined }[],
  importNew: boolean,
): Promise<string[]> {
  const { t } = db
  const { rows } = await session.query<{ name: string }>({
    text: `
      with before as materialized (
        select exists (select from ${t.version} where component_id = $1) as had_some
      ), given as materialized (
        select name, ref, place from unnest($2::text[], $3::jsonb[]) with ordinality as g (name, ref, place)
        -- Each row that is tried takes a number, also in vain.
        where not exists (select from ${t.version} v where v.component_id = $1 and v.name = g.name)
      ), found as (
        insert into ${t.version} (component_id, name, ref)
        select $1, name, ref from given order by place
        on conflict (component_id, name) do nothing
        returning id, name
      ), wanted as (
        insert into ${t.wantedImport} (version_id)
        select found.id from found, before
        where $4 and (before.had_some or found.id = (select max(id) from found))
      ), recorded as (
        update ${t.versionCheck} set ended_at = clock_timestamp(), answered = $5, failures = 0, error = null,
          jitter = random() * 0.1
        where component_id = $1
      )
      select name from found order by id`,
    values: [
      component.id,
      versions.map(({ name }) => name),
      versions.map(({ ref }) => JSON.stringify(ref ?? {})),
      importNew,
      asked,
    ],
  })
  return rows.map(({ name }) => name)
}

/** Records that a check has failed; the next one comes later with each failure in a row. */
export async function recordFailedCheck(
  db: Database,
  session: LockSession,
  { component, asked }: BegunCheck,
  error: StoredError,
): Promise<void> {
  await session.query({
    text: `
      update ${db.t.versionCheck} set ended_at = clock_timestamp(), answered = $2, failures = failures + 1,
        error = $3::jsonb, jitter = random() * 0.1
      where component_id = $1`,
    values: [component.id, asked, JSON.stringify(error)],
  })
}

/**
 * Asks for a check. One that begins afterwards answers everybody who asked before it began.
 * @returns the number to wait for, or undefined when there is no component of this name
 */
export async function askForCheck(db: Database, name: string): Promise<string | undefined> {
  const { t } = db
  const { rows } = await db.query<{ asked: string }>({
    text: `
      update ${t.versionCheck} as k set asked = asked + 1 from ${t.component} c
      where c.id = k.component_id and c.name = $1 returning k.asked`,
    values: [name],
  })
  return rows[0]?.asked
}

/** How a check ended that somebody asked for; undefined while it has not. */
export async function findAnswer(
  db: Database,
  name: string,
  asked: string,
): Promise<{ node: string | null; error: StoredError | null } | undefined> {
  const { t } = db
  const { rows } = await db.query<{ node: string | null; error: StoredError | null }>({
    text: `
      select k.node, k.error from ${t.versionCheck} k join ${t.component} c on c.id = k.component_id
      where c.name = $1 and k.answered >= $2`,
    values: [name, asked],
  })
  return rows[0]
}
