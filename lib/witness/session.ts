import type pg from 'pg'
import { setForSession } from '../db/set-for-session.ts'
import type { Limits } from './limits.ts'

/** Opens a connection beside the pool. */
export type Connect = (config: pg.ClientConfig) => Promise<pg.Client>

/**
 * Opens a session that PostgreSQL ends by itself when it falls silent.
 * @param synchronousCommit off for one that only counts itself: it must not wait for a slow disk or a standby
 */
export async function openSession(
  connect: Connect,
  node: string,
  limits: Limits,
  synchronousCommit: 'on' | 'off',
): Promise<pg.Client> {
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
  await setForSession(session, settings)
  return session
}

export async function pidOf(session: pg.Client): Promise<number | undefined> {
  const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid
}

/** The name is compared too: after a restart of the database another session may have the number. */
export async function endSession(
  session: pg.Client,
  node: string,
  pid: number | undefined,
): Promise<void> {
  await session.query({
    text: `
      select pg_terminate_backend(pid) from pg_stat_activity
      where pid = $1 and application_name = $2 and usename = current_user and pid <> pg_backend_pid()`,
    values: [pid, sessionName(node)],
  })
}

/** PostgreSQL keeps 63 characters of it. */
function sessionName(node: string): string {
  return `cluster-worker witness ${node}`.slice(0, 63)
}
