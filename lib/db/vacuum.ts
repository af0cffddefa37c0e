import type { Database } from './database.ts'

/** About how many rows of `queue` are on a page of 8 KiB. */
const rowsPerPage = 80

/**
 * Frees the space of the rows that have left `queue` and `running`. Every request goes through both, so that at full speed they
 * would be many times their size before autovacuum, which looks once a minute, comes by. Waits for nobody, and blocks no reader or
 * writer; what another session is vacuuming is left out.
 * @returns about how many rows fit into `queue` as it is; nothing when the role may not do that: it neither owns the tables
 *   nor has the right `maintain` (PostgreSQL 17)
 */
export async function vacuumRooms(db: Database): Promise<number | undefined> {
  const { queue, running } = db.t
  const { rows } = await db.query<{ may: boolean }>({
    name: `${db.schema}.may_vacuum`,
    text: `
      select bool_and(pg_has_role(relowner, 'usage') or case
        when current_setting('server_version_num')::integer >= 170000 then has_table_privilege(oid, 'maintain')
        else false end) as may
      from pg_class where oid in ('${queue}'::regclass, '${running}'::regclass)`,
  })
  if (!rows[0]?.may) return undefined
  await db.query({
    text: `vacuum (skip_locked, truncate false, parallel 0) ${queue}, ${running}`,
  })
  return readCapacity(db)
}

async function readCapacity(db: Database): Promise<number> {
  const { rows } = await db.query<{ bytes: number }>({
    name: `${db.schema}.size_of_queue`,
    text: `select pg_relation_size('${db.t.queue}')::float8 as bytes`,
  })
  return ((rows[0]?.bytes ?? 0) / 8192) * rowsPerPage
}
