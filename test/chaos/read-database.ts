import type { Client } from 'pg'
import type {
  ClaimRow,
  Evidence,
  FinishRow,
  IncarnationRow,
  LogRow,
  RequestRow,
} from './evidence.ts'

type Rows = Pick<
  Evidence,
  'requests' | 'claims' | 'finishes' | 'finished' | 'incarnations' | 'logs'
>

/** What the tables say when all is over. */
export async function readDatabase(client: Client): Promise<Rows> {
  const { rows: requests } = await client.query<RequestRow>(`
    with rooms as (
      select id, 'scheduled' as room from cluster_worker.scheduled
      union all select id, 'queue' from cluster_worker.queue
      union all select id, 'running' from cluster_worker.running
      union all select id, 'finished' from cluster_worker.finished
    )
    select r.id::text, r.idempotency_key as key, to_jsonb(r) ->> 'compensates' as compensates,
      coalesce(array_agg(rooms.room) filter (where rooms.room is not null), '{}') as rooms
    from cluster_worker.request as r left join rooms on rooms.id = r.id
    group by r.id`)
  const { rows: claims } = await client.query<ClaimRow>(
    'select seq::integer, id::text, incarnation::text, token from chaos.claim order by seq',
  )
  const finishColumns = 'id::text, outcome, reason, incarnation::text'
  const { rows: finishes } = await client.query<FinishRow>(
    `select ${finishColumns} from chaos.finish order by seq`,
  )
  const { rows: finished } = await client.query<FinishRow>(
    `select ${finishColumns} from cluster_worker.finished`,
  )
  const { rows: incarnations } = await client.query<IncarnationRow>(
    'select id::text, node, pid, state from cluster_worker.incarnation order by id',
  )
  const { rows: logs } = await client.query<LogRow>(`
    select request_id::text as "requestId", count(*)::integer as pieces, min(seq) as first, max(seq) as last
    from cluster_worker.log group by 1`)
  return { requests, claims, finishes, finished, incarnations, logs }
}

/** Rows that are not in the last room. */
export async function countUnfinished(client: Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(`
    select ((select count(*) from cluster_worker.scheduled) + (select count(*) from cluster_worker.queue)
      + (select count(*) from cluster_worker.running))::integer as count`)
  return rows[0]?.count ?? 0
}

/** What sessions hold and do at this moment. */
export async function readSessions(client: Client): Promise<{
  names: string[]
  locks: number
  leakedLocks: string[]
  idleInTransaction: number
  preparedTransactions: number
}> {
  const { rows } = await client.query<{
    names: string[]
    locks: number
    leaked: string[]
    idle: number
    prepared: number
  }>(`
    with held as (
      select classid, objid::bigint as number from pg_locks
      where locktype = 'advisory' and granted
        and database = (select oid from pg_database where datname = current_database())
    ), ours as (
      select application_name as name, state from pg_stat_activity
      where application_name like 'cluster-worker%' and application_name <> 'cluster-worker workload'
    )
    select
      (select coalesce(array_agg(name), '{}') from ours) as names,
      (select count(*)::integer from held) as locks,
      (select coalesce(array_agg(i.id::text), '{}') from held
        join cluster_worker.incarnation as i on i.id = held.number and i.state <> 'alive'
        where held.classid = 'cluster_worker.incarnation'::regclass) as leaked,
      (select count(*)::integer from ours where state like 'idle in transaction%') as idle,
      (select count(*)::integer from pg_prepared_xacts) as prepared`)
  const [row] = rows
  if (!row) throw new Error('expected the database to tell its sessions')
  return {
    names: row.names,
    locks: row.locks,
    leakedLocks: row.leaked,
    idleInTransaction: row.idle,
    preparedTransactions: row.prepared,
  }
}
