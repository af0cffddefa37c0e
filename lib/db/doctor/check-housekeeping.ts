import type { Finding } from '../../base/finding.ts'
import type { Queryable } from '../database.ts'
import type { DatabaseCheck, Examined } from './database-check.ts'

interface Presence {
  schema_exists: boolean
  job_exists: boolean
  may_use: boolean | null
  may_create: boolean
  servers: number
}

/** Looks whether old requests are removed: the schedule is there, may be used, and its jobs succeed. */
export const checkHousekeeping: DatabaseCheck = async (session, examined) => {
  if (examined.retention === 'forever') return []
  const boss = `${examined.schema}_boss`
  const { rows } = await session.query<Presence>({ text: presenceSql(examined), values: [boss] })
  const [found] = rows
  // Without a server, nobody has made it yet.
  if (!found || found.servers === 0) return []
  if (!found.schema_exists && !found.may_create)
    return [
      broken(
        `The schema ${boss} does not exist, and this role may not create it.`,
        `create schema "${boss}" authorization current_user;`,
      ),
    ]
  if (found.schema_exists && found.may_use === false)
    return [
      broken(
        `This role may not use the schema ${boss}.`,
        `alter schema "${boss}" owner to current_user;`,
      ),
    ]
  return found.job_exists ? checkJobs(session, boss) : []
}

async function checkJobs(session: Queryable, boss: string): Promise<Finding[]> {
  const { rows } = await session.query<{ failed: string | null; reason: string | null }>({
    text: `
      select to_char(completed_on, 'YYYY-MM-DD HH24:MI TZ') as failed, left(output ->> 'message', 200) as reason
      from "${boss}".job as last
      where name = 'purge' and state = 'failed' and not exists (
        select from "${boss}".job as later
        where later.name = 'purge' and later.state = 'completed' and later.completed_on > last.completed_on
      )
      order by completed_on desc limit 1`,
  })
  const [last] = rows
  if (!last) return []
  return [
    broken(
      `The last removal of old requests failed (${last.failed}): ${last.reason ?? 'no reason was kept'}.`,
    ),
  ]
}

function broken(what: string, command?: string): Finding {
  return {
    name: 'housekeeping-broken',
    level: 'warning',
    what,
    why: 'Finished requests and their logs are not removed, and the database grows.',
    todo: 'Put the cause right; the next hour tries again. If servers use another role than this, look with that one.',
    ...(command !== undefined && { command }),
  }
}

function presenceSql({ t }: Examined): string {
  return `
    select to_regnamespace(quote_ident($1)) is not null as schema_exists,
      exists (
        select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname = $1 and c.relname = 'job'
      ) as job_exists,
      has_schema_privilege(to_regnamespace(quote_ident($1)), 'usage') as may_use,
      has_database_privilege(current_database(), 'create') as may_create,
      (select count(*)::integer from ${t.incarnation} where state = 'alive') as servers`
}
