import t from 'tap'
import type { Test } from 'tap'
import type { Client } from 'pg'
import { Cluster, defineProcess, call } from '../../lib/index.ts'
import { makeFolder } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'
import { MemorySource } from './memory-source.ts'

t.setTimeout(60_000)

/** Servers of one database, all with the same source. */
async function startServers(t: Test, nodes: readonly string[], options: object = {}) {
  const database = await createDatabase(t)
  const source = new MemorySource()
  const servers: Cluster[] = []
  for (const nodeId of nodes) {
    const server = new Cluster({
      connectionString: database.url,
      nodeId,
      dataDir: await makeFolder(t),
      retention: 'forever',
      sources: [source.type],
      ...options,
    })
    await server.start()
    t.teardown(() => server.stop({ drain: 0 }))
    servers.push(server)
  }
  return { source, servers, components: servers[0]!.components, admin: await database.connect() }
}

/** Ends the sessions that hold the locks of this kind of work. */
async function cutLocks(admin: Client, work: string): Promise<number> {
  const { rows } = await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name like $1`,
    [`cluster-worker ${work}%`],
  )
  return rows.length
}

t.test('three servers import each version once, and check each component once per ask', async t => {
  const { source, servers, components } = await startServers(t, ['a', 'b', 'c'])
  for (const version of ['1', '2', '3', '4', '5', '6']) source.versions.set(version, { v: version })
  const names = ['red', 'green', 'blue', 'black']
  for (const name of names) await components.apply({ name, source: { type: 'memory' } })
  await until(async () => (await components.list()).every(({ published }) => published === 1))
  t.equal(source.checks, names.length, 'each was due once')
  await Promise.all(
    names.flatMap(name => ['1', '2', '3', '4', '5'].map(v => components.import(name, v))),
  )
  await until(async () => (await components.list()).every(({ published }) => published === 6))
  t.equal(source.fetches.length, names.length * 6)
  await Promise.all(servers.map(server => server.components.check('red')))
  t.ok(source.checks <= names.length + servers.length)
  t.equal((await components.get('red')).versions, 6)
})

t.test('a server that loses its lock stops, and another attempt publishes', async t => {
  const { source, components, admin } = await startServers(t, ['a', 'b'])
  let cut = 0
  const signals: AbortSignal[] = []
  source.versions.set('1', { x: 'y' })
  source.onFetch = async (_, { signal }) => {
    signals.push(signal)
    if (signals.length > 1) return
    cut = await cutLocks(admin, 'version import')
    await until(async () => signal.aborted)
    signal.throwIfAborted()
  }
  await components.apply({ name: 'app', source: { type: 'memory' } })
  await until(async () => (await components.get('app')).published === 1)
  t.equal(cut, 1)
  t.equal(signals.length, 2)
  const { rows } = await admin.query(
    'select outcome from cluster_worker.import_attempt order by began_at',
  )
  t.match(rows, [{ outcome: /failed|lost/ }, { outcome: 'published' }])
  const { rows: kept } = await admin.query('select from cluster_worker.stored_object')
  t.equal(kept.length, 1, 'of the first attempt nothing is left')
})

t.test('a source that does not heed its lost lock publishes nothing', async t => {
  const { source, components, admin } = await startServers(t, ['a', 'b'])
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  source.versions.set('1', { x: 'y' })
  source.onFetch = async () => {
    if (source.fetches.length > 1) return
    await cutLocks(admin, 'version import')
    await released
  }
  await components.apply({ name: 'app', source: { type: 'memory' } })
  await until(async () => (await components.get('app')).published === 1)
  release()
  const { rows } = await admin.query('select from cluster_worker.publication')
  t.equal(rows.length, 1)
})

t.test('a check whose lock is lost records nothing, and another one answers', async t => {
  const { source, components, admin } = await startServers(t, ['a', 'b'])
  source.versions.set('1', { x: 'y' })
  source.onList = async ({ signal }) => {
    if (source.checks > 1) return
    await cutLocks(admin, 'version check')
    await until(async () => signal.aborted)
  }
  await components.apply({ name: 'app', source: { type: 'memory' } })
  await components.check('app')
  t.match(await components.versions('app'), [{ name: '1' }])
  t.match(await components.get('app'), { checkFailures: 0, checkError: null })
})

t.test('a suspended server checks and imports nothing', async t => {
  const { source, servers, components } = await startServers(t, ['a'])
  await servers[0]!.suspend('a')
  await components.apply({ name: 'app', source: { type: 'memory' } })
  await t.rejects(components.check('app', { timeout: 200 }), { code: 'CW_WAIT_TIMEOUT' })
  t.equal(source.checks, 0)
  await servers[0]!.resume('a')
  await components.check('app')
})

t.test('servers that shall not, do not', async t => {
  const { source, components } = await startServers(t, ['a'], {
    checkVersions: false,
    importsAtOnce: 0,
  })
  await components.apply({ name: 'app', source: { type: 'memory' } })
  await t.rejects(components.check('app', { timeout: 200 }), { code: 'CW_WAIT_TIMEOUT' })
  t.equal(source.checks, 0)
})

t.test('a server that stops hands its import to another', async t => {
  const { source, servers, components } = await startServers(t, ['a', 'b'])
  source.versions.set('1', { x: 'y' })
  let stopped: Promise<void> | undefined
  source.onFetch = async (_, { signal }) => {
    if (stopped) return
    const [attempt] = await components.versions('app')
    stopped = servers.find(({ nodeId }) => nodeId === attempt?.node)?.stop({ drain: 0 })
    await until(async () => signal.aborted)
  }
  await components.apply({ name: 'app', source: { type: 'memory' } })
  await until(async () => (await servers.find(s => s)!.components.get('app')).published === 1)
  await stopped
  t.equal(source.fetches.length, 2)
})

t.test('a new version starts a process once', async t => {
  const seen: unknown[] = []
  const deploy = defineProcess({
    name: 'deploy',
    steps: [call('look', ({ input }) => void seen.push(input))],
  })
  const { source, components } = await startServers(t, ['a', 'b'], { processes: [deploy] })
  source.versions.set('1', { x: 'y' })
  const onNewVersion = [{ process: 'deploy', input: { target: 'test' } }]
  await components.apply({ name: 'app', source: { type: 'memory' }, onNewVersion })
  await until(async () => seen.length > 0)
  await components.check('app')
  t.strictSame(seen, [{ component: 'app', version: '1', target: 'test' }])
})
