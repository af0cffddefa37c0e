import type { Client } from 'pg'
import { tablesOf } from '../../../lib/db/tables.ts'
import { withoutChance } from './scene.ts'

/** The component is there; or it was removed, and what it had is still there. */
export type ComponentFixture = 'there' | 'removed'

/** Everything that the fixtures have, by what it is. */
export const it = {
  schema: 'cluster_worker',
  component: 1,
  /** Published: an old one that nothing needs, and a new one that is on a target. */
  old: '1',
  current: '2',
  /** Wanted, and nobody has begun. */
  wanted: '3',
  /** Being imported by the attempt. */
  importing: '4',
  attempt: 'a0000004-0000-4000-8000-000000000000',
  /** An attempt that has failed, and is not swept yet. */
  /** Of the next attempt for the wanted version. */
  next: 'a0000006-0000-4000-8000-000000000000',
  failed: 'a0000005-0000-4000-8000-000000000000',
  incarnation: '1',
  /** A run that has put the current version on `web`, and its token. */
  running: '1',
  token: 'c1a1b000-0000-4000-8000-000000000000',
  known: 'aa'.repeat(32),
  unused: 'dd'.repeat(32),
  fresh: 'ee'.repeat(32),
  node: 'a',
} as const

const t = tablesOf(it.schema)

const tables = [
  'inventory',
  'version_use',
  'version_status',
  'doomed_object',
  'version_file',
  'publication',
  'loose_object',
  'removed_publication',
  'object',
  'import_log',
  'import_attempt',
  'wanted_import',
  'version',
  'version_check',
  'component',
  'witness',
  'incarnation',
  'node_history',
  'node',
  'running',
  'finished',
  'queue',
  'request',
  'lane',
].map(table => `${t.schema}.${table}`)

const sequences = ['component_id', 'version_id', 'import_log_seq', 'loose_object_id']
  .concat(['publication_id', 'inventory_id', 'lane_id', 'node_history_id'])
  .map(name => `${name}_seq`)
  .concat('request_id')

/** What statements make has numbers from here on; the fixtures' rows have lower ones. */
const firstOwn = 1000

const token = (number: number): string => it.attempt.replace('4', String(number))
const hash = (hex: string): string => `'\\x${hex}'`
const definition = `'{"import": "automatic", "keep": {"count": 1}}'`
const long = `now() - interval '1 day'`

export async function layOut(session: Client, fixture: ComponentFixture): Promise<void> {
  const isThere = fixture === 'there'
  const statements = [
    ...tables.map(table => `delete from ${table}`),
    `insert into ${t.node} (seq, id) overriding system value values (1, '${it.node}')`,
    `insert into ${t.incarnation} (id, node, version, host, pid, concurrency) overriding system value
      values (1, '${it.node}', '1', 'here', 1, 10)`,
    `insert into ${t.witness} (incarnation) values (1)`,
    `insert into ${t.lane} (id, process, published) overriding system value values (1, 'work', true)`,
    `insert into ${t.request} (id, lane, priority, input) values (1, 1, 0, '{}'), (2, 1, 0, '{}')`,
    `insert into ${t.running} (id, incarnation, token) values (1, 1, '${it.token}')`,
    `insert into ${t.finished} (id, outcome, finished_at) values (2, 'succeeded', ${long})`,
    `insert into ${t.component} (id, name, source_type, definition, paused) overriding system value values
      (1, ${isThere ? `'app', 'memory', ${definition}, false` : `null, 'memory', ${definition}, true`})`,
    `insert into ${t.versionCheck} (component_id, asked, answered, jitter) values (1, 1, 0, 0)`,
    `insert into ${t.version} (id, component_id, name, ref) overriding system value
      select n, 1, n::text, '{}' from generate_series(1, 5) as n`,
    `insert into ${t.wantedImport} (version_id, next_at) select n, ${long} from generate_series(3, 4) as n`,
    `insert into ${t.importAttempt} (token, version_id, node, began_at, ended_at, outcome, swept) values
      ('${token(0)}', 1, 'a', ${long} - interval '1 h', ${long}, 'failed', true),
      ('${token(1)}', 1, 'a', ${long}, ${long}, 'published', true),
      ('${token(2)}', 2, 'a', ${long}, ${long}, 'published', true),
      ('${it.failed}', 5, 'a', now(), now(), 'failed', false),
      ('${it.attempt}', 4, 'a', now(), null, null, false)`,
    `insert into ${t.importLog} (component_id, seq, token, text) overriding system value
      values (1, 1, '${token(1)}', 'said')`,
    `insert into ${t.object} (hash, token, size) values
      (${hash(it.known)}, '${token(1)}', 3), (${hash(it.unused)}, '${token(1)}', 3)`,
    `insert into ${t.publication} (id, version_id, token, files, bytes) overriding system value values
      (1, 1, '${token(1)}', 1, 3), (2, 2, '${token(2)}', 1, 3)`,
    `insert into ${t.versionFile} (publication_id, path, hash, executable)
      select n, 'x', ${hash(it.known)}, false from generate_series(1, ${isThere ? 3 : 2}) as n`,
    `insert into ${t.removedPublication} (id) select 3 where ${isThere}`,
    `insert into ${t.looseObject} (id, hash) overriding system value values (1, ${hash(it.unused)})`,
    `insert into ${t.doomedObject} (token, hash) values ('${token(2)}', ${hash(it.fresh)})`,
    `insert into ${t.versionStatus} (version_id, status, set_by) values (2, 'good', 'ada')`,
    `insert into ${t.versionUse} (request_id, component_id, spec, version_id) values (2, 1, 'x', 1)`,
    `insert into ${t.inventory} (id, target, component_id, version_id, request_id, step, at) overriding system value values
      (1, 'web', 1, 1, null, null, ${long}), (2, 'web', 1, 1, null, null, ${long}),
      (3, 'web', 1, 1, null, null, ${long}), (4, 'web', 1, 2, 1, 'there', now())`,
    ...sequences.map(sequence => `select setval('${it.schema}.${sequence}', ${firstOwn})`),
  ]
  await session.query(statements.join(';\n'))
}

export async function readRows(session: Client): Promise<string[]> {
  const { rows } = await session.query<{ row: string }>(
    tables
      .map(
        table => `select '${table} ' || (to_jsonb(r) - 'jitter')::text as row from ${table} as r`,
      )
      .join(' union all '),
  )
  return rows.map(({ row }) => withoutChance(row)).toSorted()
}

export async function findBroken(session: Client): Promise<string[]> {
  const { rows } = await session.query<{ broken: string }>(`
    select 'a file of a publication that is gone, and that nobody removes' as broken
    from ${t.versionFile} f
    where not exists (select from ${t.publication} p where p.id = f.publication_id)
      and not exists (select from ${t.removedPublication} r where r.id = f.publication_id)
    union all
    select 'version ' || version_id || ' is published by an attempt that is ' || coalesce(outcome, 'open')
    from ${t.publication} join ${t.importAttempt} using (token, version_id) where outcome is distinct from 'published'
    union all
    select 'an attempt is open for version ' || a.version_id || ', which is published'
    from ${t.importAttempt} a join ${t.publication} using (version_id) where a.ended_at is null
    union all
    select 'an object that is needed was given up'
    from ${t.object} o join ${t.doomedObject} d using (hash, token)`)
  return rows.map(({ broken }) => broken)
}
