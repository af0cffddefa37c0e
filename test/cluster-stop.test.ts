import t from 'tap'
import type { Test } from 'tap'
import { call, Cluster, defineProcess, type ClusterOptions } from '../lib/index.ts'
import { startProxy } from './support/proxy.ts'
import { openRooms } from './support/rows.ts'
import { until } from './support/until.ts'

/** A server in a database of its own, and the step of its process, which the test lets go on. */
async function openServer(t: Test, options: ClusterOptions = {}) {
  const { db, url } = await openRooms(t)
  const { promise: running, resolve: onRunning } = Promise.withResolvers<void>()
  const { promise: release, resolve } = Promise.withResolvers<void>()
  const held = defineProcess({
    name: 'held',
    steps: [
      call('hold', async ({ signal }) => {
        onRunning()
        const { promise: ended, resolve: end } = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => end())
        await Promise.race([release, ended])
        signal.throwIfAborted()
      }),
    ],
  })
  const quick = defineProcess({ name: 'quick', steps: [call('nothing', () => 1)] })
  const cluster = new Cluster({
    connectionString: url,
    nodeId: 'one',
    processes: [held, quick],
    dataDir: t.testdir(),
    retention: 'forever',
    ...options,
  })
  t.teardown(async () => {
    resolve()
    await cluster.stop()
  })
  const states = async (): Promise<string[]> => {
    const { rows } = await db.query<{ state: string }>({
      text: `select state from ${db.t.incarnation} order by id`,
    })
    return rows.map(({ state }) => state)
  }
  return { db, url, cluster, running, release: resolve, states }
}

t.test('stop before start, and a start afterwards', async t => {
  const { cluster, states } = await openServer(t)
  await cluster.stop()
  await cluster.stop()
  t.same(await states(), [])
  await cluster.start()
  const { id } = await cluster.enqueue('quick')
  t.match(await cluster.wait(id), { outcome: 'succeeded', result: 1, node: 'one' })
})

t.test('stop during start ends what was started', async t => {
  const { cluster, states } = await openServer(t)
  const starting = cluster.start()
  const stopping = cluster.stop()
  await Promise.all([starting, stopping])
  t.same(await states(), ['left'])
})

t.test('start twice at once is one server', async t => {
  const { cluster, states } = await openServer(t)
  await Promise.all([cluster.start(), cluster.start()])
  await cluster.start()
  t.same(await states(), ['alive'])
  t.equal((await cluster.nodes()).length, 1)
})

t.test('stop twice at once, and once more, is one stop', async t => {
  const { cluster, states } = await openServer(t)
  let stopped = 0
  cluster.on('stopped', () => stopped++)
  await cluster.start()
  await Promise.all([cluster.stop(), cluster.stop()])
  t.equal(stopped, 1)
  t.same(await states(), ['left'])
  await cluster.stop()
  t.same(await states(), ['left'])
})

t.test('stop waits for what runs, and claims nothing more', async t => {
  const { cluster, url, running, release, states } = await openServer(t)
  const application = new Cluster({ connectionString: url })
  t.teardown(() => application.stop())
  await cluster.start()
  const { id } = await cluster.enqueue('held')
  await running
  const stopping = cluster.stop()
  const later = await application.enqueue('quick')
  release()
  await stopping
  t.match(await cluster.get(id), { outcome: 'succeeded' })
  t.match(await cluster.get(later.id), { state: 'queued' })
  t.same(await states(), ['left'])
})

t.test('a second stop that is in a hurry stops what runs', async t => {
  const { cluster, running, states } = await openServer(t)
  await cluster.start()
  const { id } = await cluster.enqueue('held')
  await running
  await Promise.all([cluster.stop(), cluster.stop({ drain: 0 })])
  t.match(await cluster.get(id), {
    outcome: 'failed',
    reason: 'server_stopped',
    error: { code: 'CW_STOPPED' },
  })
  t.same(await states(), ['left'])
})

t.test('started again it is a new incarnation of the same node', async t => {
  const { cluster, states } = await openServer(t)
  for (let round = 0; round < 3; round++) {
    await cluster.start()
    const { id } = await cluster.enqueue('quick')
    t.match(await cluster.wait(id), { outcome: 'succeeded' })
    await cluster.stop()
  }
  t.same(await states(), ['left', 'left', 'left'])
  t.match(await cluster.nodes(), [{ node: 'one', state: 'left', claimed: 3, succeeded: 3 }])
})

for (const when of ['before', 'after'] as const)
  for (const statement of ["set state = 'left'", 'commit'])
    t.test(`stop leaves in good order when the connection is cut ${when} ${statement}`, async t => {
      const { url, db } = await openRooms(t)
      const proxy = await startProxy(t, url)
      const dataDir = t.testdir()
      const cluster = new Cluster({ connectionString: proxy.url, nodeId: 'one', dataDir })
      t.teardown(() => cluster.stop())
      await cluster.start()
      const cut = proxy.cut(statement, when)
      await cluster.stop()
      await cut
      const { rows } = await db.query({
        text: `select state from ${db.t.nodeHistory} where node = 'one' order by id`,
      })
      t.same(rows, [{ state: 'joined' }, { state: 'left' }])
    })

t.test('a start that fails can be repeated', async t => {
  const { cluster, url, states } = await openServer(t)
  const rival = new Cluster({ connectionString: url, nodeId: 'one', dataDir: t.testdir() })
  await rival.start()
  await t.rejects(cluster.start(), { code: 'CW_DATA_DIR_TAKEN' })
  await t.rejects(cluster.start(), { code: 'CW_DATA_DIR_TAKEN' })
  await rival.stop()
  await cluster.start()
  t.same(await states(), ['left', 'alive'])
})

t.test('a drain that is no duration is refused, and stops nothing', async t => {
  const { cluster, states } = await openServer(t)
  await cluster.start()
  for (const drain of [-1, 'soon', 2 ** 31, Number.NaN])
    await t.rejects(cluster.stop({ drain }), { code: 'CW_OPTION', field: 'drain' })
  t.same(await states(), ['alive'])
})

t.test('a listener that throws harms no request', async t => {
  const errors: string[] = []
  const note = (_about: object, message: string): void => void errors.push(message)
  const logger = { debug: () => undefined, info: () => undefined, warn: note, error: note }
  const { cluster } = await openServer(t, { logger })
  for (const event of ['started', 'claimed', 'finished'] as const)
    cluster.on(event, () => {
      throw new Error(`from ${event}`)
    })
  await cluster.start()
  const { id } = await cluster.enqueue('quick')
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
  await until(async () => errors.some(message => message.includes('from finished')))
  for (const event of ['started', 'claimed'])
    t.ok(
      errors.some(message => message.includes(`from ${event}`)),
      event,
    )
})
