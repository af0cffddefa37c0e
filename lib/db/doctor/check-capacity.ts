import type { Finding } from '../../base/finding.ts'
import type { DatabaseCheck } from './database-check.ts'

/** What one server may open: its pool, its witness and its listener. */
const connectionsPerServer = 12

interface Facts {
  allowed: number
  used: number
  /** Of the servers, among the used ones. */
  ours: number
  role_limit: number
  database_limit: number
  servers: number
}

/** Looks whether there are connections enough for the servers that live. */
export const checkCapacity: DatabaseCheck = async (session, { t }) => {
  const { rows } = await session.query<Facts>({ text: factsSql(t.incarnation) })
  const [facts] = rows
  if (!facts) return []
  const { allowed, used, ours, servers, role_limit: role, database_limit: database } = facts
  const findings: Finding[] = []
  const needed = servers * connectionsPerServer
  if (used >= allowed * 0.9)
    findings.push({
      name: 'connections-scarce',
      level: 'warning',
      what: `${used} of ${allowed} connections are in use.`,
      why: 'When none is left, servers cannot connect again after a broken connection, and count as lost.',
      todo: 'Look who has them, and raise max_connections (which needs a restart of the database).',
      command:
        'select application_name, usename, count(*) from pg_stat_activity group by 1, 2 order by 3 desc;',
    })
  else if (used - ours + needed > allowed)
    findings.push({
      name: 'connections-too-few',
      level: 'warning',
      what: `The ${servers} server(s) may open ${needed} connections, others have ${used - ours}, and ${allowed} are allowed.`,
      why: 'Under load, servers wait for connections or cannot connect at all.',
      todo: 'Raise max_connections (which needs a restart of the database), or let others have fewer.',
    })
  for (const [whose, limit] of [
    ['role', role],
    ['database', database],
  ] as const)
    if (limit >= 0 && limit < Math.max(needed, connectionsPerServer))
      findings.push({
        name: `${whose}-connection-limit`,
        level: 'warning',
        what: `The ${whose} is limited to ${limit} connections; ${Math.max(servers, 1)} server(s) may open ${Math.max(needed, connectionsPerServer)}.`,
        why: 'Under load, servers wait for connections or cannot connect at all.',
        todo: `Raise the limit: alter ${whose} … connection limit.`,
      })
  return findings
}

function factsSql(incarnation: string): string {
  return `
    select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0) as allowed,
      (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as used,
      (
        select count(*)::integer from pg_stat_activity
        where datname = current_database() and application_name like 'cluster-worker %'
      ) as ours,
      (select rolconnlimit from pg_roles where rolname = current_user) as role_limit,
      (select datconnlimit from pg_database where datname = current_database()) as database_limit,
      (select count(*)::integer from ${incarnation} where state = 'alive') as servers`
}
