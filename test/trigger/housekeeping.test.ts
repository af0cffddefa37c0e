import t from 'tap'
import { Database } from '../../lib/db/database.ts'
import { purgeFinished } from '../../lib/db/purge.ts'
import { Housekeeping } from '../../lib/trigger/housekeeping.ts'
import { createDatabase } from '../support/database.ts'

const { pool } = await createDatabase(t)
const db = new Database({
  pool,
  schema: 'cluster_worker',
  applicationName: 'test',
  maxConnections: 5,
})

const day = 86_400_000

async function insertFinished(count: number, daysAgo: number): Promise<void> {
  await pool.query(
    `with made as (
       insert into cluster_worker.request (id, lane, priority, input)
       select nextval('cluster_worker.request_id'), 1, 0, '{}' from generate_series(1, $1::integer)
       returning id
     ), logged as (
       insert into cluster_worker.log (request_id, seq, stream, text) select id, 1, 'log', 'x' from made
     ), done as (
       insert into cluster_worker.step_record (request_id, phase, position, name, kind, state)
       select id, 'step', 0, 'a', 'function', 'succeeded' from made
     )
     insert into cluster_worker.finished (id, outcome, finished_at)
     select id, 'succeeded', now() - $2 * interval '1 day' from made`,
    [count, daysAgo],
  )
}

async function countRows(): Promise<Record<string, number>> {
  const { rows } = await pool.query<Record<string, number>>(
    `select (select count(*)::integer from cluster_worker.request) as requests,
       (select count(*)::integer from cluster_worker.finished) as finished,
       (select count(*)::integer from cluster_worker.step) as steps,
       (select count(*)::integer from cluster_worker.log) as logs`,
  )
  return rows[0] as Record<string, number>
}

t.test('what is older than the retention goes, with its steps and logs', async t => {
  await insertFinished(2500, 40)
  await insertFinished(3, 20)
  t.equal(await purgeFinished(db, 30 * day), 2500)
  t.same(await countRows(), { requests: 3, finished: 3, steps: 3, logs: 3 })
  t.equal(await purgeFinished(db, 30 * day), 0)
})

t.test('what is older goes, however much that is younger was enqueued before it', async t => {
  const before = await countRows()
  await insertFinished(1000, 1)
  await insertFinished(1001, 40)
  t.equal(await purgeFinished(db, 30 * day), 1001)
  t.equal((await countRows())['finished'], (before['finished'] ?? 0) + 1000)
})

t.test('several servers may purge at once', async t => {
  await insertFinished(5000, 40)
  const removed = await Promise.all([1, 2, 3, 4].map(() => purgeFinished(db, 30 * day)))
  // A server that finds the last rows locked leaves them to the other; another pass removes what is left.
  const rest = await purgeFinished(db, 30 * day)
  t.equal(
    removed.reduce((sum, n) => sum + n, rest),
    5000,
  )
})

t.test('four servers install the schedule at once, and it is there once', async t => {
  const starts: Promise<void>[] = []
  const keepers = [1, 2, 3, 4].map(() => {
    const { promise, resolve } = Promise.withResolvers<void>()
    starts.push(promise)
    return new Housekeeping({
      executeSql: (text, values) => db.query({ text, ...(values && { values }) }),
      schema: 'cluster_worker_boss',
      purge: async () => 0,
      onStarted: resolve,
      onPurged: () => undefined,
      // Servers that install at the same moment may get in each other's way; they try again.
      onError: error => t.comment(String(error)),
    })
  })
  for (const keeper of keepers) keeper.start()
  await Promise.all(starts)
  const { rows } = await pool.query('select name, cron from cluster_worker_boss.schedule')
  t.same(rows, [{ name: 'purge', cron: '17 * * * *' }])
  await Promise.all(keepers.map(keeper => keeper.stop()))
})
