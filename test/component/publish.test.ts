import { randomUUID } from 'node:crypto'
import t from 'tap'
import { listFiles } from '../../lib/db/component/files.ts'
import {
  beginAttempt,
  failAttempt,
  findKnown,
  findPublication,
} from '../../lib/db/component/imports.ts'
import { publish } from '../../lib/db/component/publish.ts'
import {
  closeDeadAttempts,
  doomObjects,
  findDoomed,
  findStrayObjects,
  findStrayTokens,
  findUnswept,
} from '../../lib/db/component/sweep.ts'
import { wantImport } from '../../lib/db/component/versions.ts'
import { removeComponent } from '../../lib/db/component/components.ts'
import { removeSome } from '../../lib/db/component/removal.ts'
import { until, untilBlocked } from '../support/until.ts'
import { openComponents } from './open-components.ts'
import { hashOf, publicationOf } from './publication.ts'

t.setTimeout(60_000)

t.test('only the newest attempt of a version publishes, and once', async t => {
  const { db, query, session, addVersion } = await openComponents(t)
  const versionId = await addVersion('1')
  const [slow, fast] = [await session(), await session()]
  const [first, second] = [randomUUID(), randomUUID()]
  t.ok(await beginAttempt(db, slow, { token: first, versionId, node: 'a' }))
  t.ok(await beginAttempt(db, fast, { token: second, versionId, node: 'b' }))
  await t.rejects(publish(db, slow, publicationOf(first, versionId, { x: 'a' })), {
    code: 'CW_VERSION_UNKNOWN',
  })
  t.equal(await findPublication(db, versionId), undefined)
  t.strictSame(await publish(db, fast, publicationOf(second, versionId, { x: 'a' })), [])
  t.match(await findPublication(db, versionId), { token: second, files: 1, bytes: 3 })
  await t.rejects(publish(db, fast, publicationOf(second, versionId, { x: 'a' })))
  t.notOk(await beginAttempt(db, slow, { token: randomUUID(), versionId, node: 'a' }))
  t.strictSame(
    (await query('select node, outcome from $s.import_attempt order by began_at')).map(
      row => `${row.node} ${row.outcome}`,
    ),
    ['a lost', 'b published'],
  )
})

t.test('a publication that waits behind a new attempt finds itself closed', async t => {
  const { db, session, addVersion } = await openComponents(t)
  const versionId = await addVersion('1')
  const [slow, fast] = [await session(), await session()]
  const [first, second] = [randomUUID(), randomUUID()]
  await beginAttempt(db, slow, { token: first, versionId, node: 'a' })
  let publishing: Promise<unknown> | undefined
  await fast.transaction(async () => {
    await fast.query({
      text: 'select from cluster_worker.version where id = $1 for no key update',
      values: [versionId],
    })
    publishing = publish(db, slow, publicationOf(first, versionId, { x: 'a' })).catch(
      (error: unknown) => error,
    )
    await untilBlocked(db)
    await fast.query({
      text: `update cluster_worker.import_attempt set outcome = 'lost', ended_at = now() where token = $1`,
      values: [first],
    })
  })
  t.match(await publishing, { code: 'CW_VERSION_UNKNOWN' })
  t.ok(await beginAttempt(db, fast, { token: second, versionId, node: 'b' }))
})

t.test('a lost session publishes nothing', async t => {
  const { db, query, session, addVersion } = await openComponents(t)
  const versionId = await addVersion('1')
  const lost = await session()
  const token = randomUUID()
  await beginAttempt(db, lost, { token, versionId, node: 'a' })
  t.ok(await lost.tryLock(db, 'version', versionId))
  t.equal(await closeDeadAttempts(db), 0, 'its lock is held')
  await query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cluster-worker test' and datname = current_database()`,
  )
  await t.rejects(publish(db, lost, publicationOf(token, versionId, { x: 'a' })), {
    code: 'CW_CONNECTION',
  })
  t.equal(lost.lost.aborted, true)
  t.equal(await findPublication(db, versionId), undefined)
  // Its locks go a moment after it has said good-bye.
  await until(async () => (await closeDeadAttempts(db)) === 1)
  t.strictSame(await findUnswept(db, 10), [token])
})

t.test('two publications bring the same content at once: one object stays', async t => {
  const { db, query, session, addVersion } = await openComponents(t)
  const versions = [await addVersion('1'), await addVersion('2')]
  const tokens: string[] = [randomUUID(), randomUUID()]
  const sessions = [await session(), await session()]
  for (const n of [0, 1])
    await beginAttempt(db, sessions[n]!, { token: tokens[n]!, versionId: versions[n]!, node: 'a' })
  // The first one holds the object while the second one comes.
  let second: Promise<string[]> | undefined
  const holder = await session()
  await holder.transaction(async () => {
    await holder.query({
      text: `insert into cluster_worker.object (hash, token, size) values (decode($1, 'hex'), $2, 3)`,
      values: [hashOf('a'), tokens[0]],
    })
    second = publish(db, sessions[1]!, publicationOf(tokens[1]!, versions[1]!, { x: 'a', y: 'b' }))
    await untilBlocked(db)
  })
  t.strictSame(await second, [hashOf('a')], 'the second one is told that its copy is not needed')
  t.strictSame(
    (await listFiles(db, versions[1]!))?.map(({ path, token }) => [path, tokens.indexOf(token)]),
    [
      ['x', 0],
      ['y', 1],
    ],
  )
  t.strictSame(await findStrayObjects(db, tokens[1]!, [hashOf('a'), hashOf('b')]), [hashOf('a')])
  t.equal((await query('select from $s.object')).length, 2)
})

t.test('an object that retention has just removed stops the publication', async t => {
  const { db, query, session, addVersion } = await openComponents(t)
  const versionId = await addVersion('1')
  await query(
    `with made as (
       insert into $s.object (hash, token, size) values (decode($1, 'hex'), $2, 3) returning hash
     ) insert into $s.loose_object (hash) select hash from made`,
    [hashOf('a'), randomUUID()],
  )
  const holder = await session()
  const token = randomUUID()
  await beginAttempt(db, holder, { token, versionId, node: 'a' })
  t.strictSame(await findKnown(db, [hashOf('a'), hashOf('b')]), new Set([hashOf('a')]))
  t.match(await doomObjects(db, 10), { objects: 1, bytes: 3 })
  await t.rejects(
    publish(db, holder, publicationOf(token, versionId, { x: 'a' }, { sealed: new Set() })),
  )
  t.equal(await findPublication(db, versionId), undefined)
  t.equal((await query('select from $s.wanted_import')).length, 1, 'it is still wanted')
  await failAttempt(db, { token, versionId }, { code: 'CW_SOURCE', message: 'x' }, false)
  t.strictSame(await findUnswept(db, 10), [token])
})

t.test('an object that a publication is about to use is not given up', async t => {
  const { db, query, session, addVersion } = await openComponents(t)
  const versionId = await addVersion('1')
  await query(
    `with made as (
       insert into $s.object (hash, token, size) values (decode($1, 'hex'), $2, 3) returning hash
     ) insert into $s.loose_object (hash) select hash from made`,
    [hashOf('a'), randomUUID()],
  )
  const holder = await session()
  const token = randomUUID()
  await beginAttempt(db, holder, { token, versionId, node: 'a' })
  await holder.transaction(async () => {
    await holder.query({
      text: `select from cluster_worker.object where hash = decode($1, 'hex') for key share`,
      values: [hashOf('a')],
    })
    t.match(await doomObjects(db, 10), { looked: 1, later: 1, objects: 0 })
  })
  t.equal((await query('select from $s.loose_object')).length, 1, 'it is looked at again')
  await publish(db, holder, publicationOf(token, versionId, { x: 'a' }, { sealed: new Set() }))
  t.match(await doomObjects(db, 10), { looked: 1, objects: 0 })
  t.match(await doomObjects(db, 10), { looked: 0 })
})

t.test('what several versions had goes with the last of them', async t => {
  const { db, query, session, addVersion } = await openComponents(t)
  const holder = await session()
  for (const [version, letter] of [
    ['1', 'b'],
    ['2', 'c'],
  ] as const) {
    const [token, versionId] = [randomUUID(), await addVersion(version)]
    await beginAttempt(db, holder, { token, versionId, node: 'a' })
    await publish(db, holder, publicationOf(token, versionId, { x: 'a', y: 'a', z: letter }))
  }
  t.match(await doomObjects(db, 10), { looked: 0 }, 'nothing was removed')
  const remove = (version: string): Promise<unknown> =>
    query(
      'delete from $s.publication p using $s.version v where v.id = p.version_id and v.name = $1',
      [version],
    )
  await remove('1')
  t.equal(await removeSome(db, 100), 4, 'three files and the note of them')
  t.match(await doomObjects(db, 10), { looked: 2, objects: 1 })
  // Who removes the last one has not committed: what is looked at meanwhile is looked at again.
  await holder.transaction(async () => {
    await holder.query({ text: 'delete from cluster_worker.publication' })
    t.equal(await removeSome(db, 100), 0)
    t.match(await doomObjects(db, 10), { looked: 0 })
  })
  t.equal(await removeSome(db, 100), 4)
  t.match(await doomObjects(db, 10), { looked: 2, objects: 2 })
  t.equal((await query('select from $s.object')).length, 0)
})

t.test('a version that is wished for while it is published is not imported again', async t => {
  const { db, query, session, addVersion, componentId } = await openComponents(t)
  const versionId = await addVersion('1')
  const [holder, token] = [await session(), randomUUID()]
  await beginAttempt(db, holder, { token, versionId, node: 'a' })
  let wish: Promise<unknown> | undefined
  await query(`create function pause() returns trigger language plpgsql as $$ begin
    perform pg_advisory_xact_lock(77); return null; end $$`)
  await query(`create trigger pause after insert on $s.publication execute function pause()`)
  const stopper = await session()
  let publishing: Promise<unknown> | undefined
  await stopper.transaction(async () => {
    await stopper.query({ text: 'select pg_advisory_xact_lock(77)' })
    publishing = publish(db, holder, publicationOf(token, versionId, { x: 'a' }))
    await untilBlocked(db)
    wish = wantImport(db, componentId, '1')
    await untilBlocked(db, 2)
  })
  await publishing
  t.equal(await wish, false, 'it is published')
  t.notOk(await beginAttempt(db, holder, { token: randomUUID(), versionId, node: 'a' }))
  t.equal((await query('select from $s.wanted_import')).length, 0)
})

t.test(
  'a removed component leaves objects for the sweep, and a late publication fails',
  async t => {
    const { db, session, addVersion } = await openComponents(t)
    const [done, late] = [await addVersion('1'), await addVersion('2')]
    const holder = await session()
    const token: string = randomUUID()
    const lateToken: string = randomUUID()
    await beginAttempt(db, holder, { token, versionId: done, node: 'a' })
    await publish(db, holder, publicationOf(token, done, { x: 'a' }))
    await beginAttempt(db, holder, { token: lateToken, versionId: late, node: 'a' })
    t.strictSame(await findStrayTokens(db, [token, lateToken]), [])
    t.equal(await removeComponent(db, 'app'), true)
    await t.rejects(publish(db, holder, publicationOf(lateToken, late, { x: 'a' })), {
      code: 'CW_VERSION_UNKNOWN',
    })
    while ((await removeSome(db, 100)) > 0);
    t.match(await doomObjects(db, 10), { objects: 1, bytes: 3 })
    t.strictSame(await findDoomed(db, 10), [{ token, hash: hashOf('a') }])
    t.strictSame(await findStrayTokens(db, [token, lateToken]), [token])
    t.equal(await closeDeadAttempts(db), 1)
    t.strictSame(await findUnswept(db, 10), [lateToken])
  },
)

t.test(
  'a version comes to those who wait for it once, also when it is published again',
  async t => {
    const { db, query, session, addVersion } = await openComponents(t)
    const versionId = await addVersion('1')
    const holder = await session()
    const triggers = [{ process: 'deploy', input: { component: 'app', version: '1' } }]
    for (const round of [1, 2]) {
      const token = randomUUID()
      t.ok(await beginAttempt(db, holder, { token, versionId, node: 'a' }), `round ${round}`)
      await publish(db, holder, publicationOf(token, versionId, { x: 'a' }, { triggers }))
      await query('delete from $s.publication')
      await query('insert into $s.wanted_import (version_id) values ($1)', [versionId])
    }
    t.match(await query('select input from $s.request'), [
      { input: { component: 'app', version: '1' } },
    ])
  },
)
