import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cancelImport } from '../../lib/db/component/cancel-import.ts'
import {
  beginAttempt,
  failAttempt,
  findPublication,
  noteProgress,
} from '../../lib/db/component/imports.ts'
import { publish } from '../../lib/db/component/publish.ts'
import { findUnswept } from '../../lib/db/component/sweep.ts'
import { wantImport } from '../../lib/db/component/versions.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until, untilBlocked } from '../support/until.ts'
import { MemorySource } from './memory-source.ts'
import { openComponents } from './open-components.ts'
import { publicationOf } from './publication.ts'

t.setTimeout(60_000)

const broken = { code: 'CW_SOURCE', message: 'x' } as const
const refused = { code: 'CW_VERSION_UNKNOWN' }

t.test('a wish is withdrawn before anybody has begun', async t => {
  const { db, session, addVersion, componentId } = await openComponents(t)
  const versionId = await addVersion('1')
  t.equal(await cancelImport(db, componentId, '2'), undefined)
  t.strictSame(await cancelImport(db, componentId, '1'), { answer: 'cancelled', node: null })
  t.strictSame(await cancelImport(db, componentId, '1'), { answer: 'unwanted', node: null })
  const attempt = { token: randomUUID(), versionId, node: 'a' }
  t.equal(await beginAttempt(db, await session(), attempt), false)
})

t.test('an attempt that is under way publishes nothing any more, and is swept', async t => {
  const { db, query, session, addVersion, componentId } = await openComponents(t)
  const versionId = await addVersion('1')
  const [holder, token] = [await session(), randomUUID()]
  await beginAttempt(db, holder, { token, versionId, node: 'a' })
  t.strictSame(await cancelImport(db, componentId, '1'), { answer: 'requested', node: 'a' })
  t.equal(await noteProgress(db, token, 1, 1), false)
  await t.rejects(publish(db, holder, publicationOf(token, versionId, { x: 'a' })), refused)
  t.equal(await failAttempt(db, { token, versionId }, broken, false), 'cancelled')
  t.match(await query('select outcome, error from $s.import_attempt'), [
    { outcome: 'cancelled', error: null },
  ])
  t.strictSame(await findUnswept(db, 10), [token])
  t.equal(await wantImport(db, componentId, '1'), true)
  const again = randomUUID()
  t.ok(await beginAttempt(db, holder, { token: again, versionId, node: 'a' }))
  await publish(db, holder, publicationOf(again, versionId, { x: 'a' }))
  t.strictSame(await cancelImport(db, componentId, '1'), { answer: 'published', node: null })
})

t.test('whoever begins in the same moment comes first, or not at all', async t => {
  const { db, query, session, addVersion, componentId } = await openComponents(t)
  const versionId = await addVersion('1')
  const [holder, other] = [await session(), await session()]
  // The attempt has begun, and not committed.
  let cancelling: Promise<unknown> | undefined
  await holder.transaction(async () => {
    await holder.query({
      text: `
        insert into cluster_worker.import_attempt (token, version_id, node)
        select $1, version_id, 'a' from cluster_worker.wanted_import for update`,
      values: [randomUUID()],
    })
    cancelling = cancelImport(db, componentId, '1')
    await untilBlocked(db)
  })
  t.strictSame(await cancelling, { answer: 'requested', node: 'a' })
  // The wish is withdrawn, and it is not committed.
  await wantImport(db, componentId, '1')
  let beginning: Promise<boolean> | undefined
  await holder.transaction(async () => {
    await holder.query({ text: 'delete from cluster_worker.wanted_import' })
    beginning = beginAttempt(db, other, { token: randomUUID(), versionId, node: 'b' })
    await untilBlocked(db)
  })
  t.equal(await beginning, false)
  t.match(await query('select node, outcome from $s.import_attempt'), [
    { node: 'a', outcome: 'cancelled' },
  ])
})

t.test('whoever publishes in the same moment comes first, or not at all', async t => {
  const { db, query, session, addVersion, componentId } = await openComponents(t)
  const [first, second] = [await addVersion('1'), await addVersion('2')]
  const [holder, stopper] = [await session(), await session()]
  const [one, two] = [randomUUID(), randomUUID()]
  await beginAttempt(db, holder, { token: one, versionId: first, node: 'a' })
  await query(`create function pause() returns trigger language plpgsql as $$ begin
    perform pg_advisory_xact_lock(77); return null; end $$`)
  await query(`create trigger pause after insert on $s.publication execute function pause()`)
  let publishing: Promise<unknown> | undefined
  let cancelling: Promise<unknown> | undefined
  await stopper.transaction(async () => {
    await stopper.query({ text: 'select pg_advisory_xact_lock(77)' })
    publishing = publish(db, holder, publicationOf(one, first, { x: 'a' }))
    await untilBlocked(db)
    cancelling = cancelImport(db, componentId, '1')
    await untilBlocked(db, 2)
  })
  t.strictSame(await publishing, [])
  t.strictSame(await cancelling, { answer: 'published', node: null })
  // The wish is withdrawn, it is not committed, and the attempt is not closed yet.
  await beginAttempt(db, holder, { token: two, versionId: second, node: 'a' })
  await stopper.transaction(async () => {
    await stopper.query({ text: 'delete from cluster_worker.wanted_import' })
    publishing = publish(db, holder, publicationOf(two, second, { x: 'a' })).catch(
      (error: unknown) => error,
    )
    await untilBlocked(db)
  })
  t.match(await publishing, refused)
  t.equal(await findPublication(db, second), undefined)
  t.equal(await failAttempt(db, { token: two, versionId: second }, broken, false), 'cancelled')
})

t.test('a server stops an import that is cancelled, and nothing of it stays', async t => {
  const source = new MemorySource()
  source.versions.set('1', { a: 'alpha' })
  const { promise: begun, resolve: begin } = Promise.withResolvers<AbortSignal>()
  source.onFetch = async (_, { signal }) => {
    if (source.fetches.length > 1) return
    begin(signal)
    await until(async () => signal.aborted)
    signal.throwIfAborted()
  }
  const { cluster } = await startCluster(t, [], { sources: [source.type] })
  const { components } = cluster
  const told = new Promise(resolve => cluster.once('importCancelled', resolve))
  await components.apply({ name: 'app', source: { type: 'memory' } })
  const signal = await begun
  const waiting = components.waitForImport('app', '1').catch((error: unknown) => error)
  t.match(await components.cancelImport('app', '1'), { answer: 'requested' })
  t.strictSame(await told, { component: 'app', version: '1' })
  t.match(signal.reason, { code: 'CW_CANCELLED' })
  t.match(await waiting, { code: 'CW_CANCELLED' })
  t.match(await components.versions('app'), [{ name: '1', state: 'found', error: null }])
  await components.check('app')
  t.equal(source.fetches.length, 1, 'a check does not ask for it again')
  await t.rejects(components.cancelImport('app', '2'), refused)
  await components.import('app', '1')
  t.match(await components.waitForImport('app', '1'), { state: 'published' })
})
