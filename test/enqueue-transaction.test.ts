import { inspect } from 'node:util'
import knexFactory from 'knex'
import { Pool } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { z } from 'zod'
import { call, Cluster, defineProcess } from '../lib/index.ts'
import { publishProcesses } from '../lib/db/definitions.ts'
import { registerNode } from '../lib/db/node-identity.ts'
import { openCluster } from './support/cluster.ts'
import { describeNode, roomsOf } from './support/rows.ts'

t.test('a request of a transaction that is undone never was', async t => {
  const { cluster, db, connect, countRequests } = await openCluster(t)
  const client = await connect()
  await client.query('begin')
  const { id } = await cluster.enqueue('work', {}, { transaction: client })
  await cluster.enqueueMany([{ process: 'work' }], { transaction: client })
  await client.query('rollback')
  t.equal(await countRequests(), 0)
  await t.rejects(cluster.get(id), { code: 'CW_REQUEST_UNKNOWN' })
  t.match(await roomsOf(db), { queue: [] })
})

t.test(
  'a request of a transaction that stays open is not seen and not started before it ends',
  async t => {
    const { url, connect } = await openCluster(t)
    const started: unknown[] = []
    const note = defineProcess({
      name: 'note',
      steps: [call('note', ({ input }) => void started.push(input))],
    })
    const server = new Cluster({
      connectionString: url,
      processes: [note],
      dataDir: t.testdir(),
      retention: 'forever',
    })
    t.teardown(() => server.stop())
    await server.start()
    const client = await connect()
    await client.query('begin')
    const first = await server.enqueue(note, { n: 1 }, { transaction: client })
    const second = await server.enqueue(note, { n: 2 })
    await server.wait(second.id)
    t.same(started, [{ n: 2 }])
    await t.rejects(server.get(first.id), { code: 'CW_REQUEST_UNKNOWN' })
    await client.query('commit')
    t.match(await server.wait(first.id), { outcome: 'succeeded' })
    t.same(started, [{ n: 2 }, { n: 1 }])
  },
)

t.test('a transaction that has failed is refused by name', async t => {
  const { cluster, connect, countRequests } = await openCluster(t)
  const client = await connect()
  await client.query('begin')
  await t.rejects(client.query('select 1 / 0'))
  const failed = { code: 'CW_OPTION', field: 'transaction', message: /roll it back/ }
  await t.rejects(cluster.enqueue('work', {}, { transaction: client }), failed)
  await client.query('rollback')
  t.equal(await countRequests(), 0)
  t.match(await cluster.enqueue('work', {}, { transaction: client }), { created: true })
})

t.test('a read-only transaction, and one whose connection has ended', async t => {
  const { cluster, connect, countRequests } = await openCluster(t)
  const client = await connect()
  await client.query('begin transaction read only')
  await t.rejects(cluster.enqueue('work', {}, { transaction: client }), {
    code: 'CW_DATABASE_UNFIT',
    message: /read-only/,
  })
  await client.query('rollback')
  await client.query('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined)
  await t.rejects(cluster.enqueue('work', {}, { transaction: client }), { code: 'CW_CONNECTION' })
  t.equal(await countRequests(), 0)
})

t.test('in a knex transaction, and its errors do not tell the input', async t => {
  const { cluster, url, countRequests } = await openCluster(t)
  const knex = knexFactory({ client: 'pg', connection: { connectionString: url } })
  t.teardown(() => knex.destroy())
  await t.rejects(
    knex.transaction(async transaction => {
      await cluster.enqueue('work', { n: 1 }, { transaction })
      throw new Error('undone')
    }),
    { message: 'undone' },
  )
  t.equal(await countRequests(), 0)
  const input = { text: "it's ? $1 ::text \\?", list: [1, 2] }
  const { id } = await knex.transaction(transaction =>
    cluster.enqueue('work', input, { transaction, priority: 3, idempotencyKey: 'k ? $2' }),
  )
  t.match(await cluster.get(id), { input, priority: 3, idempotencyKey: 'k ? $2' })

  const refused = await knex
    .transaction(transaction => cluster.enqueue('a - b', { password: 'hush' }, { transaction }))
    .catch((error: unknown) => error)
  t.match(refused, {
    code: 'CW_UNKNOWN_PROCESS',
    message: /^no server has published a process named 'a - b'/,
  })
  t.notMatch(inspect(refused), 'hush')
})

t.test('anything that can be asked is a transaction', async t => {
  const { cluster, connect } = await openCluster(t)
  const client = await connect()
  const texts: string[] = []
  const transaction = {
    query(text: string, values: unknown[]) {
      texts.push(text)
      return client.query(text, values)
    },
  }
  const { id } = await cluster.enqueue('work', {}, { transaction })
  t.match(await cluster.get(id), { state: 'queued' })
  t.match(texts.at(-1), /enqueue_batch/)
})

/** An application's pool of one connection, which the application holds. */
async function openHeldPool(t: Test) {
  const { url, db, countRequests } = await openCluster(t)
  const strict = {
    name: 'strict',
    version: '1',
    description: null,
    inputSchema: z.toJSONSchema(z.object({ n: z.number() })),
    steps: [],
  }
  await registerNode(db, describeNode('publisher'))
  await publishProcesses(db, 'publisher', [strict])
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  const cluster = new Cluster({ pool })
  const client = await pool.connect()
  // Only now, so that it is not the time for connecting that runs out.
  pool.options.connectionTimeoutMillis = 20
  t.teardown(async () => {
    client.release()
    await cluster.stop()
    await pool.end()
  })
  return { cluster, client, countRequests }
}

t.test("the pool's only connection, which the caller holds, is no deadlock", async t => {
  const { cluster, client, countRequests } = await openHeldPool(t)
  const exhausted = { code: 'CW_POOL_TIMEOUT', message: /\{ transaction: client \}/ }
  await t.rejects(cluster.enqueue('strict', { n: 1 }), exhausted)
  await client.query('begin')
  const { id } = await cluster.enqueue('strict', { n: 1 }, { transaction: client })
  await client.query('commit')
  t.match(id, /^\d+$/)
  t.equal(await countRequests(), 1)
})

t.test('the published schema is asked for in the transaction, too', async t => {
  const { cluster, client, countRequests } = await openHeldPool(t)
  await client.query('begin')
  const wrong = [
    { process: 'strict', input: { n: 1 } },
    { process: 'strict', input: { n: 'x' } },
  ]
  await t.rejects(cluster.enqueueMany(wrong, { transaction: client }), {
    code: 'CW_INPUT_INVALID',
    field: 'requests[1].input.n',
  })
  await client.query('commit')
  t.equal(await countRequests(), 0)
})
