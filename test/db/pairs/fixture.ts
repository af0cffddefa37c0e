import type { Client } from 'pg'
import { tablesOf } from '../../../lib/db/tables.ts'
import { withoutChance } from './scene.ts'

/**
 * What the server of the node `a` is doing: it runs two requests; it runs nothing; it is suspended by a drain and runs
 * two requests, or nothing any more; it has left.
 */
export type Fixture = 'busy' | 'idle' | 'draining' | 'suspended' | 'gone'

/** Everything that the fixtures have, by what it is. */
export const known = {
  schema: 'cluster_worker',
  node: 'a',
  instance: '5ab1e000-0000-4000-8000-000000000000',
  incarnation: '1',
  lane: 1,
  running: '1',
  token: 'c1a1b000-0000-4000-8000-000000000000',
  queued: '2',
  scheduled: '3',
  /** Finished long ago, with the idempotency key `old`. */
  finished: '4',
  drain: '2',
} as const

const t = tablesOf(known.schema)

const tables = [
  'node_history',
  'suspension',
  'witness',
  'incarnation',
  'process',
  'node',
  'lane',
  'request',
  'scheduled',
  'queue',
  'running',
  'finished',
  'step_record',
  'log',
  'era',
].map(table => `${t.schema}.${table}`)

const sequences = [
  'request_id',
  'node_seq_seq',
  'incarnation_id_seq',
  'lane_id_seq',
  'suspension_id_seq',
  'node_history_id_seq',
]

/** What statements make has numbers from here on; the fixtures' rows have lower ones. */
const firstOwn = 1000

/** Puts exactly the rows of a fixture into the tables. Nobody else may be there. */
export async function layOut(session: Client, fixture: Fixture): Promise<void> {
  const isAlive = fixture !== 'gone'
  const statements = [
    ...tables.map(table => `delete from ${table}`),
    `insert into ${t.node} (seq, id, instance) overriding system value values (1, '${known.node}', '${known.instance}')`,
    `insert into ${t.incarnation} (id, node, version, host, pid, concurrency, state, ended_at, accepting)
      overriding system value values (1, '${known.node}', '1', 'here', 1, 10,
        '${isAlive ? 'alive' : 'left'}', ${isAlive ? 'null' : 'now()'}, ${!(fixture === 'suspended' || fixture === 'draining')})`,
    `insert into ${t.witness} (incarnation) values (1)`,
    `insert into ${t.lane} (id, process, published) overriding system value values (1, 'work', true)`,
    `insert into ${t.request} (id, lane, priority, input, idempotency_key, compensates) values
      (1, 1, 0, '{}', null, null), (2, 1, 0, '{}', null, null), (3, 1, 0, '{}', null, null),
      (4, 1, 0, '{}', 'old', null), (5, 1, 0, '{}', null, null), (6, 1, 0, '{}', null, 5)`,
    `insert into ${t.queue} (id, lane, priority, input) values (2, 1, 0, '{}')`,
    `insert into ${t.scheduled} (id, lane, priority, input, run_at) values (3, 1, 0, '{}', now() - interval '1 s')`,
    `insert into ${t.finished} (id, outcome, reason, finished_at) values
      (4, 'succeeded', null, now() - interval '1 day'), (5, 'failed', 'server_lost', now() - interval '1 day')`,
    `insert into ${t.stepRecord} (request_id, phase, position, name, kind, state, undo_once) values
      (1, 'step', 0, 'first', 'function', 'succeeded', 'finished'),
      (4, 'step', 0, 'first', 'function', 'succeeded', null),
      (5, 'step', 0, 'first', 'function', 'succeeded', 'finished')`,
    `insert into ${t.log} (request_id, seq, stream, text) values (1, 0, 'log', 'a'), (4, 0, 'log', 'a')`,
    `insert into ${t.nodeHistory} (id, node, incarnation, state, who, at) overriding system value values
      (1, '${known.node}', 1, 'resumed', 'ada', now() - interval '1 day'), (2, '${known.node}', 1, 'joined', 'a', now() - interval '1 day')`,
    `insert into ${t.suspension} (id, node, kind, who, cleared_at, cleared_by) overriding system value values
      (1, '${known.node}', 'operator', 'ada', now() - interval '1 day', 'ada')`,
    ...rowsOf[fixture],
    ...sequences.map(sequence => `select setval('${known.schema}.${sequence}', ${firstOwn})`),
  ]
  await session.query(statements.join(';\n'))
}

const runs = `insert into ${t.running} (id, incarnation, token) values (1, 1, '${known.token}'), (6, 1, '${known.token}')`
const drain = `insert into ${t.suspension} (id, node, kind, who) overriding system value values (2, '${known.node}', 'drain', 'ada')`

/** What each fixture has more. */
const rowsOf: Readonly<Record<Fixture, readonly string[]>> = {
  busy: [runs],
  idle: [],
  draining: [runs, drain],
  suspended: [drain],
  gone: [],
}

/**
 * Each row of each table as one text, without what differs from run to run, and without what an incarnation that has
 * ended may do, which nobody asks any more.
 */
export async function readRows(session: Client): Promise<string[]> {
  const { rows } = await session.query<{ row: string }>(
    tables
      .map(table => {
        const row = `to_jsonb(r)${table === t.incarnation ? ` - case when ended_at is null then '' else 'accepting' end` : ''}`
        return `select '${table} ' || (${row})::text as row from ${table} as r`
      })
      .join(' union all '),
  )
  return rows.map(({ row }) => withoutChance(row)).toSorted()
}

/** What must hold whatever happened. @returns what does not */
export async function findBroken(session: Client): Promise<string[]> {
  const { rows } = await session.query<{ broken: string }>(`
    select 'request ' || id || ' is in ' || count(*) || ' rooms' as broken
    from (
      select id from ${t.scheduled} union all select id from ${t.queue}
      union all select id from ${t.running} union all select id from ${t.finished}
    ) as room group by id having count(*) <> 1
    union all
    select 'a room has request ' || f.id || ', which has no record'
    from ${t.finished} as f where not exists (select from ${t.request} as r where r.id = f.id)
    union all
    select 'request ' || r.id || ' runs on a server that has ended'
    from ${t.running} as r join ${t.incarnation} as i on i.id = r.incarnation where i.state <> 'alive'
    union all
    select 'incarnation ' || i.id || ' claims though its node is suspended, or the reverse'
    from ${t.incarnation} as i where i.state = 'alive' and i.accepting = exists (
      select from ${t.suspension} as s where s.node = i.node and s.cleared_at is null)`)
  return rows.map(({ broken }) => broken)
}
