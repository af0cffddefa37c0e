import type { Finding } from '../../base/finding.ts'
import type { DatabaseCheck } from './database-check.ts'

interface Facts {
  fsync: string
  full_page_writes: string
  synchronous_commit: string
  /** The roles of connected servers whose own setting is another one. */
  weak_roles: string | null
  synchronous_standbys: string
}

/** Looks whether a commit that was acknowledged survives a crash of the database's machine. */
export const checkDurability: DatabaseCheck = async session => {
  const { rows } = await session.query<Facts>({ text: factsSql })
  const [facts] = rows
  if (!facts) return []
  const findings: Finding[] = []
  for (const name of ['fsync', 'full_page_writes'] as const)
    if (facts[name] !== 'on')
      findings.push({
        name: `${name.replaceAll('_', '-')}-off`,
        level: 'error',
        what: `${name} is off.`,
        why: 'When the machine of the database crashes, the database may be damaged or forget what it acknowledged.',
        todo: `Switch it on in postgresql.conf or on its command line, then reload.`,
        command: `alter system set ${name} = on; select pg_reload_conf();`,
      })
  const roles = facts.weak_roles
  const isWeak = isForgetful(facts.synchronous_commit, facts.synchronous_standbys)
  if (isWeak || roles !== null)
    findings.push({
      name: 'commits-not-durable',
      level: 'error',
      what: isWeak
        ? `synchronous_commit is ${facts.synchronous_commit}.`
        : `synchronous_commit is off for the role of connected servers: ${roles}.`,
      why: 'A crash of the database forgets requests whose insert was acknowledged, and claims: what was claimed starts a second time.',
      todo: 'Set it to on, for the configuration and for each role and database that has its own.',
      command: 'alter system set synchronous_commit = on; select pg_reload_conf();',
    })
  return findings
}

function isForgetful(synchronousCommit: string, standbys: string): boolean {
  return synchronousCommit === 'off' || (synchronousCommit === 'local' && standbys !== '')
}

const factsSql = `
  select current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('synchronous_standby_names') as synchronous_standbys,
    (
      select string_agg(distinct a.usename::text, ', ')
      from pg_stat_activity as a
      join pg_db_role_setting as s on s.setrole = a.usesysid
        and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      where a.datname = current_database() and a.application_name like 'cluster-worker %'
        and 'synchronous_commit=off' = any (s.setconfig)
    ) as weak_roles`
