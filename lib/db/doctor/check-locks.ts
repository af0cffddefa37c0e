import type { DatabaseCheck } from './database-check.ts'

/**
 * Looks for sessions that hold a lock of ours without being the witness of an incarnation that lives: a node whose
 * identity lock is held so cannot start. A server that joins holds its identity lock for some milliseconds before
 * it is one, so a session counts only a second after its last statement; one that leaves, only after some seconds.
 */
export const checkLocks: DatabaseCheck = async (session, { t }) => {
  const { rows } = await session.query<{ pid: number; text: string }>({
    text: `
      with held as (
        select l.pid, l.classid, l.objid::bigint as number
        from pg_locks as l
        where l.locktype = 'advisory' and l.granted and l.objsubid = 2
          and l.database = (select oid from pg_database where datname = current_database())
          and l.classid in ('${t.node}'::regclass, '${t.incarnation}'::regclass)
      ), witness as (
        select held.pid from held join ${t.incarnation} as i on i.id = held.number
        where held.classid = '${t.incarnation}'::regclass and (i.state = 'alive' or i.ended_at > clock_timestamp() - interval '5 s')
      )
      select a.pid, format('pid %s (%s, from %s) holds the lock of %s', a.pid,
        coalesce(nullif(a.application_name, ''), 'no application name'), coalesce(host(a.client_addr), 'this machine'),
        string_agg(case held.classid when '${t.node}'::regclass
          then 'node ' || coalesce((select n.id from ${t.node} as n where n.seq = held.number), held.number::text)
          else 'incarnation ' || held.number end, ' and of ' order by held.classid)) as text
      from held join pg_stat_activity as a on a.pid = held.pid
      where held.pid not in (select pid from witness)
        and a.state_change < clock_timestamp() - interval '1 s'
      group by a.pid, a.application_name, a.client_addr
      order by a.pid`,
  })
  const [first] = rows
  if (!first) return []
  return [
    {
      name: 'leaked-lock',
      level: 'error',
      what: `${rows.length} session(s) hold a lock of a server without being one that lives.`,
      why: 'The node cannot start again, or looks alive though it is not. Connection poolers leave such sessions behind.',
      todo: 'End the session. If its application is a pooler, let the database URL of servers name PostgreSQL itself.',
      command: `select pg_terminate_backend(${first.pid});`,
      items: rows.map(({ text }) => text),
    },
  ]
}
