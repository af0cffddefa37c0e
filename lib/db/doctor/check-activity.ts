import type { Finding } from '../../base/finding.ts'
import type { Queryable } from '../database.ts'
import type { DatabaseCheck } from './database-check.ts'

/** Longer transactions are worth a warning, in seconds. */
const longTransaction = 60

/** At most so many of one kind are named. */
const mostItems = 10

interface Named {
  readonly text: string
  readonly pid: number
}

/**
 * Looks for what keeps dead rows alive and so makes every claim slower: transactions that stay open, and prepared
 * ones that somebody forgot.
 * @param seconds how long is long
 */
export async function checkTransactions(
  session: Queryable,
  seconds: number = longTransaction,
): Promise<Finding[]> {
  const { rows: open } = await session.query<Named>({ text: openSql, values: [seconds] })
  const { rows: prepared } = await session.query<{ gid: string; text: string }>({
    text: preparedSql,
    values: [seconds],
  })
  const { rows: sight } = await session.query<{ all: boolean }>({
    text: "select pg_has_role('pg_read_all_stats', 'usage') as all",
  })
  const findings: Finding[] = []
  if (open[0])
    findings.push({
      name: 'long-transaction',
      level: 'warning',
      what: `${open.length} transaction(s) have been open for more than ${seconds} s.`,
      why: 'Rows that were deleted meanwhile cannot be removed, so each claim reads past them and becomes slower, and tables grow.',
      todo: 'A backup or a long report ends by itself. End what was forgotten.',
      command: `select pg_terminate_backend(${open[0].pid});`,
      items: shorten(open.map(({ text }) => text)),
    })
  if (prepared[0])
    findings.push({
      name: 'prepared-transaction',
      level: 'warning',
      what: `${prepared.length} prepared transaction(s) have waited for more than ${seconds} s.`,
      why: 'They keep their locks and the deleted rows for ever, also when the database restarts.',
      todo: 'Ask its owner; then commit it or roll it back.',
      command: `rollback prepared '${prepared[0].gid.replaceAll("'", "''")}';`,
      items: shorten(prepared.map(({ text }) => text)),
    })
  if (!sight[0]?.all)
    findings.push({
      name: 'activity-hidden',
      level: 'note',
      what: 'This role sees the transactions of its own sessions only.',
      why: 'Long transactions of other roles make claims slower, and are not found here.',
      todo: 'Let an administrator look, or grant the role pg_read_all_stats.',
      command: 'grant pg_read_all_stats to current_user;',
    })
  return findings
}

/** Looks for sessions that have waited for one of our locks, or as one of ours, for more than a second. */
export const checkWaiting: DatabaseCheck = async (session, { schema }) => {
  const { rows } = await session.query<Named & { blocker: number | null }>({
    text: waitingSql,
    values: [schema],
  })
  const [first] = rows
  if (!first) return []
  return [
    {
      name: 'waiting-for-lock',
      level: 'warning',
      what: `${rows.length} session(s) have waited for a lock for more than a second.`,
      why: 'A claim, a finish or an enqueue stands still behind another session.',
      todo: 'Look at what the session in front does. End it when it was forgotten.',
      ...(first.blocker !== null && { command: `select pg_terminate_backend(${first.blocker});` }),
      items: shorten(rows.map(({ text }) => text)),
    },
  ]
}

function shorten(items: readonly string[]): string[] {
  const rest = items.length - mostItems
  return [...items.slice(0, mostItems), ...(rest > 0 ? [`and ${rest} more`] : [])]
}

const openSql = `
  select pid, format('pid %s (%s, %s), %s for %s s: %s', pid, usename,
    coalesce(nullif(application_name, ''), 'no application name'), state,
    floor(extract(epoch from clock_timestamp() - xact_start)), left(regexp_replace(query, '\\s+', ' ', 'g'), 60)) as text
  from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
    and xact_start < clock_timestamp() - $1 * interval '1 s'
  order by xact_start`

const preparedSql = `
  select gid, format('%s of %s, prepared %s s ago', gid, owner,
    floor(extract(epoch from clock_timestamp() - prepared))) as text
  from pg_prepared_xacts
  where database = current_database() and prepared < clock_timestamp() - $1 * interval '1 s'
  order by prepared`

const waitingSql = `
  select a.pid, (pg_blocking_pids(a.pid))[1] as blocker,
    format('pid %s (%s) waits for %s behind pid %s (%s)', a.pid, a.application_name,
      coalesce('the table ' || c.relname, 'a ' || l.locktype), array_to_string(pg_blocking_pids(a.pid), ', '),
      (select coalesce(string_agg(coalesce(nullif(b.application_name, ''), 'no application name'), ', '), 'a prepared transaction')
       from pg_stat_activity as b where b.pid = any (pg_blocking_pids(a.pid)))) as text
  from pg_locks as l
  join pg_stat_activity as a on a.pid = l.pid and a.datname = current_database()
  left join pg_class as c on c.oid = l.relation and l.database = a.datid
  left join pg_namespace as n on n.oid = c.relnamespace
  where not l.granted and l.waitstart < clock_timestamp() - interval '1 s'
    and (n.nspname = $1 or a.application_name like 'cluster-worker %')
  order by l.waitstart`
