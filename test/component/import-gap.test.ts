import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cancelImport } from '../../lib/db/component/cancel-import.ts'
import { listFiles } from '../../lib/db/component/files.ts'
import { beginAttempt, findDueImports } from '../../lib/db/component/imports.ts'
import { publish } from '../../lib/db/component/publish.ts'
import { listVersions, wantImport } from '../../lib/db/component/versions.ts'
import { checkComponents } from '../../lib/db/doctor/check-components.ts'
import { found, look } from '../doctor/look.ts'
import { startCluster } from '../support/start-cluster.ts'
import { untilBlocked } from '../support/until.ts'
import { MemorySource } from './memory-source.ts'
import { openComponents } from './open-components.ts'
import { publicationOf } from './publication.ts'

t.setTimeout(120_000)

/** An incremental component with the version 1 published, and 2 and 3 wanted. */
async function openIncremental(t: Parameters<typeof openComponents>[0], versions = 'incremental') {
  const opened = await openComponents(t, { versions })
  const { db, session, addVersion } = opened
  const holder = await session()
  const bring = async (versionId: string, file: string): Promise<void> => {
    const token = randomUUID()
    t.ok(await beginAttempt(db, holder, { token, versionId, node: 'a' }))
    const isIncremental = versions === 'incremental'
    await publish(db, holder, publicationOf(token, versionId, { [file]: 'a' }, { isIncremental }))
  }
  await bring(await addVersion('1'), 'one')
  const [second, third] = [await addVersion('2'), await addVersion('3')]
  const due = async (): Promise<string[]> =>
    (await findDueImports(db, ['memory'], 10)).due.map(({ name }) => name)
  return { ...opened, bring, second, third, due }
}

t.test('who builds on a version that was cancelled waits until that one is imported', async t => {
  const { db, componentId, due, bring, second, third } = await openIncremental(t)
  t.match(await cancelImport(db, componentId, '2'), { answer: 'cancelled' })
  t.same(await due(), [])
  t.match(await listVersions(db, componentId, { limit: 10 }), [
    { name: '3', state: 'waiting', waitsFor: '2' },
    { name: '2', state: 'found', waitsFor: null },
    { name: '1', state: 'published', waitsFor: null },
  ])
  const findings = await look(db, checkComponents)
  found(t, findings, ['warning imports-held-back'])
  t.match(findings[0], {
    items: ['app 3: waits for 2'],
    command: 'cluster-worker import app 2 --cancel --skip',
  })
  t.equal(await wantImport(db, componentId, '2'), true)
  found(t, await look(db, checkComponents), [])
  t.same(await due(), ['2'])
  await bring(second, 'two')
  t.same(await due(), ['3'])
  await bring(third, 'three')
  t.equal((await listFiles(db, third))?.length, 3)
})

t.test('or until somebody says that they do without it, at once or later', async t => {
  const { db, query, componentId, due, bring, addVersion, third } = await openIncremental(t)
  await cancelImport(db, componentId, '2')
  t.match(await cancelImport(db, componentId, '2'), { answer: 'unwanted' })
  t.same(await due(), [])
  t.match(await cancelImport(db, componentId, '2', true), { answer: 'skipped' })
  t.match(await cancelImport(db, componentId, '2', true), { answer: 'unwanted' })
  t.same(await due(), ['3'])
  await bring(third, 'three')
  t.same(
    (await listFiles(db, third))?.map(({ path }) => path),
    ['one', 'three'],
  )
  const fourth = await addVersion('4')
  await addVersion('5')
  t.match(await cancelImport(db, componentId, '4', true), { answer: 'cancelled' })
  t.same(await due(), ['5'])
  // What was cancelled before the published one that it builds on holds up nobody.
  await query('insert into $s.import_gap (version_id) select min(id) from $s.version')
  t.same(await due(), ['5'])
  await query('insert into $s.import_gap (version_id) values ($1)', [fourth])
  t.same(await due(), [])
})

t.test('full versions wait for nobody', async t => {
  const { db, componentId, due } = await openIncremental(t, 'full')
  await cancelImport(db, componentId, '2')
  t.same(await due(), ['3'])
  t.match(await listVersions(db, componentId, { name: '3', limit: 1 }), [{ waitsFor: null }])
  found(t, await look(db, checkComponents), [])
})

t.test(
  'the wish goes and the gap comes at once; who wants it in that moment comes after',
  async t => {
    const { db, query, session, componentId, due, second } = await openIncremental(t)
    const canceller = await session()
    let wanting: Promise<unknown> | undefined
    await canceller.transaction(async () => {
      await canceller.query({
        text: `
        with gone as (delete from cluster_worker.wanted_import where version_id = $1 returning version_id)
        insert into cluster_worker.import_gap select version_id from gone`,
        values: [second],
      })
      t.same(await due(), ['2'], 'until it is committed, the next one waits for it')
      wanting = wantImport(db, componentId, '2')
      await untilBlocked(db)
    })
    t.equal(await wanting, true)
    t.same(await query('select * from $s.import_gap'), [])
    t.same(await due(), ['2'])

    const wisher = await session()
    let cancelling: Promise<unknown> | undefined
    await wisher.transaction(async () => {
      await wisher.query({
        text: `update cluster_worker.wanted_import set failures = 0 where version_id = $1`,
        values: [second],
      })
      cancelling = cancelImport(db, componentId, '2')
      await untilBlocked(db)
    })
    t.match(await cancelling, { answer: 'cancelled' })
    t.same(await query('select version_id from $s.import_gap'), [{ version_id: second }])
    t.same(await due(), [])
  },
)

t.test('whoever waits for a version that is held up is told why', async t => {
  const source = new MemorySource()
  const { cluster } = await startCluster(t, [], { sources: [source.type] })
  const { components } = cluster
  source.versions.set('1', { a: 'alpha' })
  await components.apply({ name: 'app', versions: 'incremental', source: { type: 'memory' } })
  await components.check('app')
  await components.waitForImport('app', '1')
  source.versions.set('2', { b: 'beta' })
  source.versions.set('3', { c: 'gamma' })
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  source.onFetch = async (version, { signal }) => {
    if (version.name !== '2') return
    resolve()
    await new Promise<void>(aborted =>
      signal.addEventListener('abort', () => aborted(), { once: true }),
    )
    signal.throwIfAborted()
  }
  await components.check('app')
  await begun
  await components.cancelImport('app', '2')
  await t.rejects(components.waitForImport('app', '3'), {
    code: 'CW_CANCELLED',
    message: /waits, because the import of 2, which it builds on, was cancelled: import 2, or/,
  })
  await components.cancelImport('app', '2', { skip: true })
  t.match(await components.waitForImport('app', '3'), { state: 'published', base: '1' })
})
