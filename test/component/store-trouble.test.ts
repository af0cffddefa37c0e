import t from 'tap'
import { Cluster } from '../../lib/index.ts'
import { makeFolder } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until } from '../support/until.ts'
import { MemorySource } from './memory-source.ts'

t.setTimeout(60_000)

const quiet = (): void => undefined

t.test('a server that could not try the store when it started tries again', async t => {
  const { url, pool } = await createDatabase(t)
  const source = new MemorySource()
  const warnings: string[] = []
  const cluster = new Cluster({
    connectionString: url,
    nodeId: 'a',
    dataDir: t.testdir(),
    sources: [source.type],
    logger: {
      debug: quiet,
      info: quiet,
      error: quiet,
      warn: (about: { where?: string }) => void warnings.push(about.where ?? ''),
    },
  })
  await pool.query('alter table cluster_worker.setting rename to away')
  await cluster.start()
  t.teardown(() => cluster.stop({ drain: 0 }))
  await until(async () => warnings.includes('store'))
  await pool.query('alter table cluster_worker.away rename to setting')
  await cluster.components.apply({ name: 'app', source: { type: 'memory' } })
  await cluster.components.check('app')
  t.ok(source.checks > 0)
})

t.test('who forgets the option store is told so, and not that all files are missing', async t => {
  const source = new MemorySource()
  const { cluster, url } = await startCluster(t, [], {
    sources: [source.type],
    store: await makeFolder(t),
  })
  source.versions.set('1', { x: 'y' })
  await cluster.components.apply({ name: 'app', source: { type: 'memory' } })
  await until(async () => (await cluster.components.get('app')).published === 1)
  const other = new Cluster({ connectionString: url, dataDir: await makeFolder(t) })
  t.teardown(() => other.stop())
  await t.rejects(other.components.verify(), {
    code: 'CW_STORE_UNKNOWN',
    message: /are in a folder, .* names the cluster's database/,
  })
  t.match(await cluster.components.verify(), { objects: 1, problems: [] })
})
