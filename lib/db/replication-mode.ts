import type { Queryable } from './database.ts'

/** Whether acknowledged commits are on a standby too: on none, on one a little later, or on one before the answer. */
export type ReplicationMode = 'none' | 'asynchronous' | 'synchronous'

/** How the primary replicates, by its settings and by who streams from it now. */
export async function replicationMode(db: Queryable): Promise<ReplicationMode> {
  const { rows } = await db.query<{ synchronous: boolean; streams: boolean }>({
    text: `
      select current_setting('synchronous_standby_names') <> ''
          and current_setting('synchronous_commit') not in ('off', 'local') as synchronous,
        exists (select from pg_stat_replication) as streams`,
  })
  const row = rows[0]
  if (row?.synchronous === true) return 'synchronous'
  return row?.streams === true ? 'asynchronous' : 'none'
}
