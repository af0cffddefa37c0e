import t from 'tap'
import { Database } from '../../lib/db/database.ts'
import { listFiles } from '../../lib/db/component/files.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until } from '../support/until.ts'
import { MemorySource } from './memory-source.ts'

t.setTimeout(60_000)

async function open(t: Parameters<typeof startCluster>[0], options: object = {}) {
  const source = new MemorySource()
  const { cluster, url } = await startCluster(t, [], { sources: [source.type], ...options })
  const db = new Database({
    connectionString: url,
    schema: 'cluster_worker',
    applicationName: 'test',
    maxConnections: 3,
  })
  t.teardown(() => db.close())
  const count = async (table: string): Promise<number> => {
    const { rows } = await db.query<{ count: number }>({
      text: `select count(*)::integer as count from cluster_worker.${table}`,
    })
    return rows[0]?.count ?? -1
  }
  const idOf = async (version: string): Promise<string> => {
    const { rows } = await db.query<{ id: string }>({
      text: 'select id from cluster_worker.version where name = $1',
      values: [version],
    })
    return rows[0]?.id ?? ''
  }
  return { source, cluster, components: cluster.components, db, count, idOf }
}

const app = { name: 'app', source: { type: 'memory' } }

t.test('a version is found, imported and published', async t => {
  const { source, components, db, idOf } = await open(t)
  source.versions.set('1.0', { 'a.txt': 'alpha', 'bin/run': 'beta' })
  t.equal(await components.apply(app), 'created')
  t.match(await components.check('app'), { node: 'a' })
  const published = await components.waitForImport('app', '1.0')
  t.match(published, { state: 'published', files: 2, bytes: 9, node: 'a', error: null })
  t.match(await components.get('app'), { versions: 1, published: 1, waiting: 0, latest: '1.0' })
  t.match(await listFiles(db, await idOf('1.0')), [
    { path: 'a.txt', size: 5, executable: false },
    { path: 'bin/run', size: 4 },
  ])
  t.equal(await components.import('app', '1.0'), false, 'it is published already')
})

t.test('of the first versions the last one is imported, then each new one', async t => {
  const { source, components } = await open(t)
  for (const name of ['1', '2', '3']) source.versions.set(name, { file: name })
  await components.apply(app)
  await components.waitForImport('app', '3', { timeout: '30s' }).catch(() => undefined)
  await components.check('app')
  await components.waitForImport('app', '3')
  source.versions.set('4', { file: '4' })
  source.versions.set('5', { file: '5' })
  await components.check('app')
  await Promise.all([components.waitForImport('app', '4'), components.waitForImport('app', '5')])
  t.strictSame(source.fetches.toSorted(), ['3', '4', '5'])
  t.strictSame(
    (await components.versions('app')).map(({ name, state }) => `${name} ${state}`),
    ['5 published', '4 published', '3 published', '2 found', '1 found'],
  )
  t.equal(await components.import('app', '1'), true)
  await components.waitForImport('app', '1')
})

t.test('with manual imports nothing is imported by itself', async t => {
  const { source, components } = await open(t)
  source.versions.set('1', { file: 'x' })
  await components.apply({ ...app, import: 'manual' })
  await components.check('app')
  t.match(await components.versions('app'), [{ name: '1', state: 'found' }])
  t.strictSame(source.fetches, [])
})

t.test('the same content is kept once', async t => {
  const { source, components, count } = await open(t)
  source.versions.set('1', { a: 'same', b: 'same', c: 'other' })
  await components.apply(app)
  await components.check('app')
  await components.waitForImport('app', '1')
  t.equal(await count('object'), 2)
  source.versions.set('2', { a: 'same', d: 'new' })
  await components.check('app')
  await components.waitForImport('app', '2')
  t.equal(await count('object'), 3)
  t.equal(await count('stored_object'), 3, 'in the store too')
})

t.test('include and exclude say which files a version has', async t => {
  const { source, components, db, idOf } = await open(t)
  source.versions.set('1', { 'bin/a': '1', 'bin/a.map': '2', 'docs/b': '3', '.hidden/c': '4' })
  await components.apply({ ...app, include: ['bin/**', '.hidden/*'], exclude: ['**/*.map'] })
  await components.check('app')
  await components.waitForImport('app', '1')
  const files = await listFiles(db, await idOf('1'))
  t.strictSame(
    files?.map(({ path }) => path),
    ['.hidden/c', 'bin/a'],
  )
})

t.test('an import that fails says why, leaves nothing, and is tried again', async t => {
  const { source, components, count } = await open(t)
  source.versions.set('1', { a: 'alpha' })
  source.onFetch = () => {
    throw new Error('the disk of the source is gone')
  }
  await components.apply(app)
  await components.check('app')
  await t.rejects(components.waitForImport('app', '1'), { message: /disk of the source is gone/ })
  t.equal(await count('stored_object'), 0)
  t.match(await components.versions('app'), [
    { state: 'waiting', error: { message: /disk of the source is gone/ } },
  ])
  t.match((await components.log('app')).at(-1)?.text, /disk of the source is gone/)
  source.onFetch = () => undefined
  t.equal(await components.import('app', '1'), true, 'at once, when somebody asks')
  await components.waitForImport('app', '1')
})

t.test('more files or bytes than the component allows are refused', async t => {
  const { source, components, count } = await open(t)
  source.versions.set('1', { a: 'alpha', b: 'beta', c: 'gamma' })
  await components.apply({ ...app, limits: { files: 2 } })
  await components.check('app')
  await t.rejects(components.waitForImport('app', '1'), { message: /more than 2 files/ })
  await components.apply({ ...app, limits: { bytes: 12 } })
  await components.import('app', '1')
  await until(async () =>
    /more than 12 bytes/.test((await components.version('app', '1')).error?.message ?? ''),
  )
  t.equal(await count('stored_object'), 0)
  t.equal(await count('object'), 0)
})

t.test('what nothing is left of is no version', async t => {
  const { source, components } = await open(t)
  source.versions.set('1', { a: 'alpha' })
  await components.apply({ ...app, include: ['b'] })
  await components.check('app')
  await t.rejects(components.waitForImport('app', '1'), { message: /has no files/ })
})

t.test('a check that fails says why, and answers who asked', async t => {
  const { source, components } = await open(t)
  source.onList = () => {
    throw new Error('no route to the source')
  }
  await components.apply(app)
  await t.rejects(components.check('app'), { code: 'CW_SOURCE', message: /no route/ })
  t.match(await components.get('app'), { checkError: { message: /no route/ } })
  source.onList = () => undefined
  await components.check('app')
  t.match(await components.get('app'), { checkFailures: 0, checkError: null })
})

t.test('a source that does not answer is left behind after its time', async t => {
  const { source, components } = await open(t)
  source.onList = () => new Promise(() => undefined)
  await components.apply({ ...app, checkTimeout: '50ms' })
  await t.rejects(components.check('app'), { message: /longer than its time limit/ })
})

t.test('a check that was under way does not answer who asks later', async t => {
  const { source, components } = await open(t)
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  source.onList = () => released
  await components.apply(app)
  await until(async () => source.checks === 1)
  const answer = components.check('app')
  source.onList = () => undefined
  source.versions.set('late', { a: 'x' })
  release()
  await answer
  t.equal(source.checks, 2)
  t.match(await components.versions('app'), [{ name: 'late' }])
})

t.test('a paused component is not checked; names that nobody knows are said', async t => {
  const { source, components } = await open(t)
  await components.apply({ ...app, checkInterval: 'never' })
  await components.pause('app')
  await t.rejects(components.check('app'), { code: 'CW_COMPONENT_PAUSED' })
  t.equal(source.checks, 0)
  await components.resume('app')
  await until(async () => source.checks > 0)
  const unknown = { code: 'CW_COMPONENT_UNKNOWN', message: /did you mean 'app'/ }
  await t.rejects(components.check('ap'), unknown)
  await t.rejects(components.get('ap'), unknown)
  await t.rejects(components.remove('ap'), unknown)
  await t.rejects(components.import('app', '7'), { code: 'CW_VERSION_UNKNOWN' })
})

t.test('a definition that is wrong names the field', async t => {
  const { components } = await open(t)
  const wrong = async (definition: object, field: string): Promise<void> => {
    await t.rejects(components.apply({ ...app, ...definition }), { code: 'CW_COMPONENT', field })
  }
  await wrong({ name: '../x' }, 'name')
  await wrong({ source: {} }, 'source.type')
  await wrong({ sauce: 1 }, 'sauce')
  await wrong({ checkInterval: '14s' }, 'checkInterval')
  await wrong({ limits: { files: 0 } }, 'limits.files')
  await wrong({ keep: { age: 'long' } }, 'keep.age')
  await t.rejects(components.setCheckInterval('1s'), { code: 'CW_COMPONENT' })
  await t.rejects(components.apply({ ...app, source: { type: 'folder', path: 'x' } }), {
    code: 'CW_SOURCE_OPTION',
    field: 'source.path',
  })
  await t.rejects(components.setRetentionHours({ from: 3, to: 3 }), { code: 'CW_OPTION' })
})
