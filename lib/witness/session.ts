import type pg from 'pg'
import { era, type Era } from '../db/era.ts'
import { keys } from '../db/locks.ts'
import { setForSession } from '../db/set-for-session.ts'
import type { Tables } from '../db/tables.ts'
import { ClusterError } from '../errors.ts'
import type { Limits } from './limits.ts'

/** Opens a connection beside the pool. */
export type Connect = (config: pg.ClientConfig) => Promise<pg.Client>

/**
 * Opens a session that PostgreSQL ends by itself when it falls silent.
 * @param synchronousCommit off for one that only counts itself: it must not wait for a slow disk or a standby
 */
export async function openSession(
  connect: Connect,
  t: Tables,
  node: string,
  limits: Limits,
  synchronousCommit: 'on' | 'off',
): Promise<{ session: pg.Client; era: Era }> {
  const { endMs, connectMs, answerMs, statementMs } = limits
  const settings = {
    idle_session_timeout: endMs,
    // Each pulse is the same statement with other values.
    plan_cache_mode: 'force_generic_plan',
    statement_timeout: statementMs,
    lock_timeout: statementMs,
    ...(synchronousCommit === 'off' && { synchronous_commit: 'off' }),
    tcp_keepalives_idle: 1,
    tcp_keepalives_interval: 1,
    tcp_keepalives_count: 3,
  }
  const session = await connect({
    application_name: sessionName(node),
    connectionTimeoutMillis: connectMs,
    query_timeout: answerMs,
  })
  return { session, era: await setForSession<Era>(session, settings, era(t)) }
}

export async function pidOf(session: pg.Client): Promise<number | undefined> {
  const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid
}

/** What a new session takes from the one before it. */
export interface Succession {
  readonly node: string
  readonly nodeSeq: string
  readonly incarnation: string
  /** The session before. */
  readonly pid: number | undefined
}

/** How long the session before may take to end, in milliseconds. */
const farewellMs = 100

/**
 * Ends the session before, which may be there still when the network cut it off and holds the locks for as long as
 * it may be silent; then takes the locks. One statement: on a slow network each counts. The name of the session is compared
 * too: after a restart of the database another one may have the number.
 * @returns this session's own number
 * @throws {ClusterError} CW_CONNECTION when the locks are not free yet
 */
export async function succeed(session: pg.Client, t: Tables, of: Succession): Promise<number> {
  const { rows } = await session.query<{ pid: number; isHeld: boolean }>({
    text: `
      with ended as materialized (
        select pg_terminate_backend(pid, ${farewellMs}) from pg_stat_activity
        where pid = $3 and application_name = $4 and usename = current_user and pid <> pg_backend_pid()
      )
      select pg_backend_pid() as pid, gone.sessions,
        pg_try_advisory_lock(${keys(t, 'node')})
          and pg_try_advisory_lock(${keys(t, 'incarnation', '$2')}) as "isHeld"
      from (select count(*) as sessions from ended) as gone`,
    values: [of.nodeSeq, of.incarnation, of.pid, sessionName(of.node)],
  })
  const [row] = rows
  if (!row?.isHeld)
    throw new ClusterError('CW_CONNECTION', 'the previous session still holds the locks')
  return row.pid
}

/** PostgreSQL keeps 63 characters of it. */
function sessionName(node: string): string {
  return `cluster-worker witness ${node}`.slice(0, 63)
}
