import type { Queryable } from './database.ts'
import type { Tables } from './tables.ts'

/**
 * All advisory locks, once. Each has two keys: the oid of one of our tables, which no other program and
 * no other installation in the same database uses by accident, and a number that belongs to that table.
 *
 * - `node`: a node id belongs to one live server. The number is `node.seq`.
 * - `incarnation`: held as long as an incarnation proves that it is alive. The number is `incarnation.id`.
 * - `witness`: the beat of an incarnation's pulse, another number with each, so that the others see it move without a
 *   row being written. Shared, because two incarnations may have the same; the session says whose it is.
 * - `suspension`: one standby at a time takes over. The number is 0, for the whole cluster.
 * - `component`: one server at a time asks the source of a component for versions. The number is `component.id`.
 * - `version`: one server at a time imports a version. The number is `version.id`.
 *
 * (The migration's lock, in migrate.ts, has keys of its own: it is taken before any table exists.)
 *
 * Locks are only ever tried, never waited for: a waiting session holds a snapshot, which blocks vacuum
 * and `create index concurrently`.
 */
export type LockKind = 'node' | 'incarnation' | 'witness' | 'suspension' | 'component' | 'version'

/** Tries to take a lock for as long as the session lives; false when another session has it. */
export async function tryLock(
  session: Queryable,
  t: Tables,
  kind: LockKind,
  number: string,
): Promise<boolean> {
  const { rows } = await session.query<{ taken: boolean }>({
    text: `select pg_try_advisory_lock(${keys(t, kind)}) as taken`,
    values: [number],
  })
  return rows[0]?.taken === true
}

/** As `tryLock`, until the session's transaction ends. */
export async function tryLockInTransaction(
  session: Queryable,
  t: Tables,
  kind: LockKind,
  number: string,
): Promise<boolean> {
  const { rows } = await session.query<{ taken: boolean }>({
    text: `select pg_try_advisory_xact_lock(${keys(t, kind)}) as taken`,
    values: [number],
  })
  return rows[0]?.taken === true
}

/** As `tryLockInTransaction`, together with others that share it; whoever wants it alone is refused meanwhile. */
export async function tryShareLockInTransaction(
  session: Queryable,
  t: Tables,
  kind: LockKind,
  number: string,
): Promise<boolean> {
  const { rows } = await session.query<{ taken: boolean }>({
    text: `select pg_try_advisory_xact_lock_shared(${keys(t, kind)}) as taken`,
    values: [number],
  })
  return rows[0]?.taken === true
}

/** A boolean SQL expression: some session holds the lock of this kind whose number is this expression. */
export function isHeld(t: Tables, kind: LockKind, number: string): string {
  return `exists (
    select from pg_locks as held
    where held.locktype = 'advisory' and held.granted and held.objsubid = 2
      and held.database = (select oid from pg_database where datname = current_database())
      and held.classid = '${t[kind]}'::regclass and held.objid::bigint = (${number}) % 4294967296)`
}

/** An SQL query: the `number` of each lock of this kind that is held, and the `pid` of the session. */
export function heldNumbers(t: Tables, kind: LockKind): string {
  return `select number, pid from (${heldLocks(t, [kind])}) as held`
}

/** The same of several kinds, with the `kind`: reading all locks is the dearest part of it. */
export function heldLocks(t: Tables, kinds: readonly LockKind[]): string {
  const cases = kinds.map(kind => `when '${t[kind]}'::regclass then '${kind}'`)
  const classes = kinds.map(kind => `'${t[kind]}'::regclass`)
  return `
    select case held.classid ${cases.join(' ')} end as kind, held.objid::bigint as number, held.pid
    from pg_locks as held
    where held.locktype = 'advisory' and held.granted and held.objsubid = 2
      and held.database = (select oid from pg_database where datname = current_database())
      and held.classid in (${classes.join(', ')})`
}

/** The two keys of a lock, for PostgreSQL's functions; the number is an SQL expression. */
export function keys(t: Tables, kind: LockKind, number = '$1'): string {
  return `${signed(`'${t[kind]}'::regclass::oid`)}, ${signed(number)}`
}

/** pg_locks shows a key as an unsigned number of 32 bits; the lock functions take it signed. */
function signed(unsigned: string): string {
  return `(((${unsigned})::bigint + 2147483648) % 4294967296 - 2147483648)::integer`
}
