import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { Batcher } from '../../lib/base/batcher.ts'
import { Cluster } from '../../lib/cluster.ts'
import { finish, type Finish } from '../../lib/db/finish.ts'
import { leave } from '../../lib/db/incarnations.ts'
import { isTransient } from '../../lib/db/translate-error.ts'
import { startProxy } from '../support/proxy.ts'
import {
  addLane,
  addRun,
  addServer,
  openDatabase,
  openRooms,
  outcomes,
  roomsOf,
  success,
} from '../support/rows.ts'

/** The rooms, seen directly and through a proxy that can lose answers. */
async function openBehindProxy(t: Test) {
  const { db: direct, url } = await openRooms(t)
  const proxy = await startProxy(t, url)
  return { direct, proxy, db: openDatabase(t, proxy.url) }
}

for (const when of ['before', 'after'] as const) {
  t.test(`a finish whose connection is cut ${when} PostgreSQL does it is repeated`, async t => {
    const { direct, proxy, db } = await openBehindProxy(t)
    const lane = await addLane(direct)
    const server = await addServer(direct)
    const runs = [await addRun(direct, server, lane), await addRun(direct, server, lane)]
    const finishes = new Batcher<Finish, boolean>({
      largest: 500,
      isTransient,
      signal: new AbortController().signal,
      write: async batch => {
        const ours = new Set(await finish(db, server, batch))
        return batch.map(run => ours.has(run.id))
      },
    })
    const cut = proxy.cut('cluster_worker.finish', when)
    t.same(await Promise.all(runs.map(run => finishes.add(success(run)))), [true, true])
    await cut
    t.match(await roomsOf(direct), { running: [], finished: runs.map(({ id }) => id) })
    t.equal(await leave(direct, server), true)
  })

  t.test(`an enqueue with a key that is cut ${when} can be repeated`, async t => {
    const { direct, proxy } = await openBehindProxy(t)
    await addLane(direct)
    const cluster = new Cluster({ connectionString: proxy.url })
    t.teardown(() => cluster.stop())
    const enqueue = () => cluster.enqueue('work', { a: 1 }, { idempotencyKey: 'once' })
    const cut = proxy.cut('enqueue_batch', when)
    await t.rejects(enqueue(), { code: 'CW_CONNECTION' })
    await cut
    const before = (await roomsOf(direct))['queue'] ?? []
    t.equal(before.length, when === 'after' ? 1 : 0)
    const { id, created } = await enqueue()
    t.equal(created, when === 'before')
    t.same((await roomsOf(direct))['queue'], [id])
    t.same(before, when === 'after' ? [id] : [])
  })
}

t.test('a run that was declared lost while its answer was lost is not ours', async t => {
  const { direct, proxy, db } = await openBehindProxy(t)
  const server = await addServer(direct)
  const run = await addRun(direct, server, await addLane(direct))
  const cut = proxy.cut('cluster_worker.finish', 'before')
  await t.rejects(finish(db, server, [success(run)]), { code: 'CW_CONNECTION' })
  await cut
  await direct.query({
    text: `update ${direct.t.incarnation} set state = 'lost', ended_at = now() where id = $1`,
    values: [server],
  })
  t.same(await finish(db, server, [success(run)]), [])
  t.same(await outcomes(direct), [])
})

t.test('a transaction that is cut at its commit says that nobody knows', async t => {
  for (const when of ['before', 'after'] as const) {
    const { direct, proxy, db } = await openBehindProxy(t)
    // Whole, with the zero that ends it: `begin` names the isolation level.
    const cut = proxy.cut('commit\0', when)
    const node = randomUUID()
    const work = db.transaction(client =>
      client.query({ text: `insert into ${db.t.node} (id) values ($1)`, values: [node] }),
    )
    await t.rejects(work, { code: 'CW_CONNECTION' })
    await cut
    const { rowCount } = await direct.query({ text: `select from ${db.t.node}` })
    t.equal(rowCount, when === 'after' ? 1 : 0)
  }
})
