import type { Finding, FindingLevel } from '../../base/finding.ts'
import type { DatabaseCheck } from './database-check.ts'

interface Setting {
  readonly name: string
  /** In the unit that PostgreSQL counts in: milliseconds for all limits of time. */
  readonly value: string
  /** Where it comes from, such as `by alter role app`. */
  readonly origin: string
  /** What takes it away. */
  readonly command: string
}

interface Judgement {
  readonly level: FindingLevel
  readonly why: string
  readonly todo: string
  /** Instead of what takes the setting away. */
  readonly command?: string
}

const removeIt = 'Take it away for the role of the servers.'

const limited = (why: string) => (value: string) =>
  value === '0' ? undefined : ({ level: 'warning', why, todo: removeIt } as const)

/** The settings that hurt, by their names: what a value does. */
const judges: Readonly<Record<string, (value: string) => Judgement | undefined>> = {
  statement_timeout: limited(
    'A claim or finish that waits for its synchronous standby, or for a database under load, is cancelled, and nobody knows whether it was done.',
  ),
  transaction_timeout: limited(
    'A claim or finish that waits for a database under load is ended with its session.',
  ),
  lock_timeout: limited(
    'A server that waits for a lock, as when another one finishes a request of the same kind, fails instead.',
  ),
  idle_session_timeout: limited(
    'Sessions that wait for the next request, and those that listen, are ended again and again; servers log errors and look later.',
  ),
  idle_in_transaction_session_timeout: judgeIdleTransaction,
  default_transaction_isolation: value =>
    value === 'read committed'
      ? undefined
      : {
          level: 'error',
          why: 'Statements must see what they waited for; under this level claims fail with serialization errors.',
          todo: 'Set it to read committed for the role of the servers.',
        },
  default_transaction_read_only: value =>
    value === 'off'
      ? undefined
      : { level: 'error', why: 'Servers cannot write anything.', todo: removeIt },
  session_replication_role: value =>
    value !== 'replica'
      ? undefined
      : {
          level: 'error',
          why: 'Triggers do not fire, so nothing keeps a finished state from being changed.',
          todo: removeIt,
        },
  client_min_messages: value =>
    ['error', 'fatal', 'panic'].includes(value)
      ? {
          level: 'warning',
          why: 'The warning that a commit did not reach its synchronous standby is not sent, so it counts as safe.',
          todo: removeIt,
        }
      : undefined,
  search_path: value => {
    const schemas = value.split(',').map(name => name.trim().replaceAll('"', ''))
    return schemas.indexOf('pg_catalog') <= 0
      ? undefined
      : {
          level: 'warning',
          why: 'A schema in front of pg_catalog can replace what PostgreSQL itself brings, so that statements mean something else.',
          todo: 'Leave pg_catalog out of the search path; it then comes first.',
        }
  },
  track_activities: value =>
    value === 'on'
      ? undefined
      : {
          level: 'warning',
          why: 'Nobody can see which session is silent and which transaction stays open, neither servers nor you.',
          todo: 'Switch it on.',
        },
}

/** Looks at settings of the configuration, the database and the roles that would hurt a server's sessions. */
export const checkSettings: DatabaseCheck = async session => {
  const names = Object.keys(judges)
  const { rows } = await session.query<Setting>({ text: settingsSql, values: [names] })
  return rows.map(judge).filter(finding => finding !== undefined)
}

function judge({ name, value, origin, command }: Setting): Finding | undefined {
  const judgement = judges[name]?.(value)
  return (
    judgement && {
      name: `setting-${name.replaceAll('_', '-')}`,
      what: `${name} is ${value} (${origin}).`,
      command,
      ...judgement,
    }
  )
}

function judgeIdleTransaction(value: string): Judgement | undefined {
  const ms = Number(value)
  if (ms === 0)
    return {
      level: 'note',
      why: 'A program that forgets an open transaction makes claims slower for as long as it stays open.',
      todo: 'Set one for everybody, such as ten minutes.',
      command:
        "alter system set idle_in_transaction_session_timeout = '10min'; select pg_reload_conf();",
    }
  if (ms >= 1000) return undefined
  return {
    level: 'warning',
    why: "A server's transaction that waits a moment between two statements is ended with its session.",
    todo: 'Set it to ten seconds or more.',
  }
}

/**
 * What our own sessions get (not the limits of this very transaction), and what the roles get whose servers are
 * connected now. `$1`: the names.
 */
const settingsSql = `
  with here as (
    select oid from pg_database where datname = current_database()
  ), override as (
    select split_part(entry, '=', 1) as name, substr(entry, strpos(entry, '=') + 1) as value, r.rolname as role,
      case when s.setrole = 0 and s.setdatabase = 0 then 'alter role all '
        when s.setrole = 0 then format('alter database %I ', current_database())
        when s.setdatabase = 0 then format('alter role %I ', r.rolname)
        else format('alter role %I in database %I ', r.rolname, current_database())
      end as target,
      (s.setrole <> 0)::integer * 2 + (s.setdatabase <> 0)::integer as precedence
    from pg_db_role_setting as s
    left join pg_roles as r on r.oid = s.setrole
    cross join unnest(s.setconfig) as entry
    where s.setdatabase in (0, (select oid from here))
  ), own as (
    select distinct on (name) name, target from override
    where role is null or role = current_user order by name, precedence desc
  )
  select p.name, p.reset_val as value,
    case when own.name is not null then 'by ' || trim(own.target)
      when p.reset_val is not distinct from p.boot_val then 'the default'
      else 'by the configuration of the database or of the connection'
    end as origin,
    case when own.name is not null then own.target || format('reset %s;', p.name)
      else format('alter role %I set %s to %s;', current_user, p.name,
        case p.name when 'search_path' then p.boot_val else quote_literal(p.boot_val) end)
    end as command
  from pg_settings as p
  left join own on own.name = p.name
  where p.name = any ($1)
  union all
  select o.name,
    -- In milliseconds, as above: what is set for a role is stored as it was typed.
    case when p.unit = 'ms' and o.value ~ '^[0-9.]+ *(us|ms|s|min|h|d)$'
      then (extract(epoch from o.value::interval) * 1000)::bigint::text
      else o.value
    end,
    'by ' || trim(o.target), o.target || format('reset %s;', o.name)
  from override as o
  join pg_settings as p on p.name = o.name
  where o.name = any ($1) and o.role <> current_user and o.role in (
    select usename from pg_stat_activity
    where datname = current_database() and application_name like 'cluster-worker %'
  )`
