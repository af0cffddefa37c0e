import t from 'tap'
import type { Test } from 'tap'
import { Cluster } from '../lib/index.ts'
import { openCluster } from './support/cluster.ts'
import { startProxy } from './support/proxy.ts'
import { roomsOf, type Rooms } from './support/rows.ts'
import { untilBlocked } from './support/until.ts'

/** How many transactions the requests were written by. */
async function countTransactions({ db }: Pick<Rooms, 'db'>): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    text: `select count(distinct xmin::text)::integer as count from ${db.t.request}`,
  })
  return rows[0]?.count ?? 0
}

t.test('calls at the same time share a commit, and each has its own answer, in order', async t => {
  const { cluster, db } = await openCluster(t)
  const inputs = Array.from({ length: 600 }, (_, n) => ({ n }))
  const enqueued = await Promise.all(inputs.map(input => cluster.enqueue('work', input)))
  t.ok((await countTransactions({ db })) <= 3)
  const ids = enqueued.map(({ id }) => BigInt(id))
  t.same(
    ids,
    ids.toSorted((a, b) => Number(a - b)),
  )
  for (const n of [0, 299, 599])
    t.match(await cluster.get(enqueued[n]?.id ?? ''), { input: { n }, state: 'queued' })
  t.ok(enqueued.every(({ created }) => created))
})

t.test('calls that want different things share a commit', async t => {
  const { cluster, db } = await openCluster(t)
  const runAt = new Date(Date.now() + 3_600_000)
  const [plain, later, urgent] = await Promise.all([
    cluster.enqueue('work'),
    cluster.enqueue('work', 'x', { runAt }),
    cluster.enqueue('work', [1], { priority: 7 }),
  ])
  t.match(await cluster.get(plain.id), { input: {}, priority: 0, state: 'queued' })
  t.match(await cluster.get(later.id), { input: 'x', state: 'scheduled', runAt })
  t.match(await cluster.get(urgent.id), { input: [1], priority: 7, state: 'queued' })
  t.equal(await countTransactions({ db }), 1)
})

t.test('one that is refused fails alone', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const names = ['work', 'nobody', 'work', 'work', 'nowhere', 'work', 'work']
  // What is published under these names has been looked up then, and the calls share a statement.
  await Promise.allSettled(names.map(name => cluster.enqueue(name)))
  const all = await Promise.allSettled(names.map(name => cluster.enqueue(name)))
  for (const [index, name] of names.entries())
    t.match(
      all[index],
      name === 'work'
        ? { status: 'fulfilled' }
        : { reason: { code: 'CW_UNKNOWN_PROCESS', field: 'process', message: new RegExp(name) } },
    )
  t.equal(await countRequests(), 10)
})

t.test('a name is new only to those who allow it', async t => {
  const { cluster, countRequests } = await openCluster(t)
  // So that the second call shares a statement.
  await cluster.enqueue('fresh', {}, { allowUnknown: true })
  const all = await Promise.allSettled([
    cluster.enqueue('work'),
    cluster.enqueue('fresh', {}, { allowUnknown: true }),
    cluster.enqueue('fresh'),
    cluster.enqueue('work'),
  ])
  t.match(all, [
    { status: 'fulfilled' },
    { status: 'fulfilled' },
    { reason: { code: 'CW_UNKNOWN_PROCESS' } },
    { status: 'fulfilled' },
  ])
  t.equal(await countRequests(), 4)
})

t.test('the same key at the same time is one request', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const enqueue = (input: unknown) => cluster.enqueue('work', input, { idempotencyKey: 'once' })
  const all = await Promise.all([enqueue({}), cluster.enqueue('work'), enqueue({}), enqueue({})])
  const [first, plain, ...same] = all
  t.same(new Set(same.map(({ id }) => id)), new Set([first.id]))
  t.not(plain.id, first.id)
  t.equal(all.filter(({ created }) => created).length, 2)
  const again = await Promise.allSettled([enqueue({ a: 1 }), cluster.enqueue('work'), enqueue({})])
  t.match(again, [
    { reason: { code: 'CW_IDEMPOTENCY_CONFLICT', field: 'idempotencyKey' } },
    { value: { created: true } },
    { value: { id: first.id, created: false } },
  ])
  t.equal(await countRequests(), 3)
})

for (const { what, name, options } of [
  { what: 'a key', name: 'work', options: { idempotencyKey: 'held' } },
  { what: 'a name', name: 'fresh', options: { allowUnknown: true } },
])
  t.test(`who waits for ${what} of an open transaction waits alone`, async t => {
    const { cluster, db, connect } = await openCluster(t)
    const client = await connect()
    await client.query('begin')
    const held = await cluster.enqueue(name, {}, { ...options, transaction: client })
    const waiting = [cluster.enqueue(name, {}, options), cluster.enqueue(name, {}, options)]
    const others = [1, 2, 3].map(() => cluster.enqueue('work'))
    await untilBlocked(db, 2)
    t.equal((await Promise.all(others)).length, 3, 'before the transaction ends')
    await client.query('commit')
    const created = what === 'a name'
    for (const enqueued of await Promise.all(waiting)) {
      t.equal(enqueued.created, created)
      if (!created) t.equal(enqueued.id, held.id)
    }
  })

/** A cluster whose answers can be lost. */
async function openBehindProxy(t: Test) {
  const { url, db } = await openCluster(t)
  const proxy = await startProxy(t, url)
  const cluster = new Cluster({ connectionString: proxy.url })
  t.teardown(() => cluster.stop())
  return { cluster, proxy, db }
}

for (const when of ['before', 'after'] as const)
  t.test(`all whose statement is cut ${when} PostgreSQL does it are told, once`, async t => {
    const { cluster, proxy, db } = await openBehindProxy(t)
    const cut = proxy.cut('enqueue_batch', when)
    const calls = [1, 2, 3, 4].map(n => cluster.enqueue('work', { n }))
    for (const settled of await Promise.allSettled(calls))
      t.match(settled, { reason: { code: 'CW_CONNECTION' } })
    await cut
    t.equal((await roomsOf(db))['queue']?.length, when === 'after' ? 4 : 0)
    t.match(await cluster.enqueue('work'), { created: true })
  })

t.test(
  'a program that has enqueued and stops ends at once, and its hint has been sent',
  async t => {
    const { cluster, connect } = await openCluster(t)
    const listener = await connect()
    const heard: string[] = []
    listener.on('notification', ({ payload = '' }) => heard.push(payload))
    await listener.query('listen cluster_worker_wake')
    for (let n = 0; n < 3; n++) await cluster.enqueue('work')
    await cluster.stop()
    const left = process.getActiveResourcesInfo().filter(name => name === 'Timeout')
    await listener.query('select 1')
    t.ok(heard.length > 0)
    t.same(left, [], 'no timer keeps the program')
  },
)

t.test('calls before a stop are answered', async t => {
  const { cluster, db, countRequests } = await openCluster(t)
  const calls = Array.from({ length: 40 }, () => cluster.enqueue('work'))
  await cluster.stop()
  t.equal((await Promise.all(calls)).length, 40)
  t.equal(await countRequests(), 40)
  const { rowCount } = await db.query({
    text: `
      select from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and application_name ~ '^cluster-worker'`,
  })
  t.equal(rowCount, 0)
})
