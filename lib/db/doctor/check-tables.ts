import type { Finding } from '../../base/finding.ts'
import type { DatabaseCheck, Examined } from './database-check.ts'

interface TableFacts {
  name: string
  dead: number
  live: number
  vacuumed: string
  autovacuum: boolean
}

/** More dead rows than this, and than live ones, slow the claims down. */
const manyDead = 10_000

/** Looks whether the tables are kept clean, and whether the history ends where it should. */
export const checkTables: DatabaseCheck = async (session, examined) => {
  const { rows: tables } = await session.query<TableFacts>({
    text: tablesSql,
    values: [examined.schema],
  })
  const { rows } = await session.query<{ on: boolean }>({
    text: "select current_setting('autovacuum')::boolean and current_setting('track_counts')::boolean as on",
  })
  const findings: Finding[] = []
  if (rows[0]?.on === false)
    findings.push({
      name: 'autovacuum-off',
      level: 'warning',
      what: 'autovacuum or track_counts is off, so nothing cleans the tables up.',
      why: 'Each claim and finish leaves a dead row behind; claims become slower and the tables grow for ever.',
      todo: 'Switch both on.',
      command:
        'alter system set autovacuum = on; alter system set track_counts = on; select pg_reload_conf();',
    })
  for (const table of tables) findings.push(...describeTable(table, examined))
  return [...findings, ...(await checkHistory(session, examined))]
}

function describeTable(table: TableFacts, { schema }: Examined): Finding[] {
  const { name, dead, live, vacuumed, autovacuum } = table
  if (!autovacuum)
    return [
      {
        name: 'autovacuum-off',
        level: 'warning',
        what: `autovacuum is off for the table ${name}.`,
        why: 'Each claim and finish leaves a dead row behind; claims become slower and the table grows for ever.',
        todo: 'Let autovacuum do its work.',
        command: `alter table "${schema}"."${name}" reset (autovacuum_enabled);`,
      },
    ]
  if (dead <= Math.max(manyDead, live)) return []
  return [
    {
      name: 'dead-rows',
      level: 'warning',
      what: `The table ${name} has about ${dead} dead rows and ${live} live ones; it was last vacuumed ${vacuumed}.`,
      why: 'Claims read past dead rows and become slower.',
      todo: 'Look for long transactions first, which keep them; then clean up.',
      command: `vacuum "${schema}"."${name}";`,
    },
  ]
}

/** Housekeeping removes once an hour; what is older than the retention and a day is behind. */
const checkHistory: DatabaseCheck = async (session, { t, retention }) => {
  if (retention === 'forever') return []
  const { rows } = await session.query<{ old: boolean }>({
    text: `
      select exists (
        select from ${t.finished}
        where finished_at < now() - $1 * interval '1 ms' - interval '1 day'
      ) as old`,
    values: [retention],
  })
  if (!rows[0]?.old) return []
  return [
    {
      name: 'history-too-old',
      level: 'warning',
      what: `There are finished requests that are older than the retention of ${Math.round(retention / 86_400_000)} day(s).`,
      why: 'Housekeeping does not keep up or does not run, and the database grows.',
      todo: 'Look for warnings that begin with housekeeping in the logs of the servers, and whether their retention is the one given here.',
    },
  ]
}

const tablesSql = `
  select s.relname as name, s.n_dead_tup::float8 as dead, s.n_live_tup::float8 as live,
    coalesce(to_char(greatest(s.last_vacuum, s.last_autovacuum), 'YYYY-MM-DD HH24:MI TZ'), 'never') as vacuumed,
    not coalesce('autovacuum_enabled=false' = any (c.reloptions) or 'autovacuum_enabled=off' = any (c.reloptions), false)
      as autovacuum
  from pg_stat_user_tables as s
  join pg_class as c on c.oid = s.relid
  where s.schemaname = $1
  order by s.relname`
