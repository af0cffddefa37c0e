import t from 'tap'
import type { Test } from 'tap'
import { declareLost, findSilent } from '../../lib/db/incarnations.ts'
import { tryLock } from '../../lib/db/locks.ts'
import { Watcher } from '../../lib/loop/watcher.ts'
import { addLane, addRun, addServer, openRooms, outcomes } from '../support/rows.ts'

const lostAfterMs = 5000

/** A watcher on the real functions, with a clock that the test moves. */
async function openWatcher(t: Test) {
  const rooms = await openRooms(t)
  const { db } = rooms
  const lost: { node: string; incarnation: string; failed: string[] }[] = []
  const errors: unknown[] = []
  const state = { now: 1_000_000 }
  const watcher = new Watcher({
    lostAfterMs,
    clock: () => state.now,
    findSilent: () => findSilent(db),
    declareLost: incarnation => declareLost(db, incarnation, 'watcher'),
    onLost: about => void lost.push(about),
    onError: error => void errors.push(error),
  })
  const look = async (afterMs: number) => {
    state.now += afterMs
    return watcher.pass()
  }
  return { ...rooms, lost, errors, look }
}

t.test('one that is silent for lostAfter is declared lost, not sooner, and once', async t => {
  const { db, lost, look } = await openWatcher(t)
  const silent = await addServer(db, 'silent')
  const run = await addRun(db, silent, await addLane(db))
  await look(0)
  await look(lostAfterMs - 1)
  t.same(lost, [])
  await look(1)
  t.same(lost, [{ node: 'silent', incarnation: silent, failed: [run.id] }])
  t.match(await outcomes(db), [{ id: run.id, reason: 'server_lost' }])
  await look(lostAfterMs)
  t.equal(lost.length, 1)
})

t.test('the first look declares nobody, however long the silence', async t => {
  const { db, lost, look } = await openWatcher(t)
  await addServer(db)
  await look(10 * lostAfterMs)
  t.same(lost, [])
})

t.test('looks several times within lostAfter', async t => {
  const { look } = await openWatcher(t)
  const next = await look(0)
  t.ok(typeof next === 'number' && next > 0 && next <= lostAfterMs / 4)
})

t.test('one that proves itself in between begins anew', async t => {
  const { db, connect, lost, look } = await openWatcher(t)
  const server = await addServer(db)
  const session = await connect()
  await look(0)
  await look(lostAfterMs - 1)
  t.ok(await tryLock(session, db.t, 'incarnation', server))
  await look(1)
  t.same(lost, [])
  await session.query('select pg_advisory_unlock_all()')
  await look(lostAfterMs)
  await look(lostAfterMs - 1)
  t.same(lost, [])
  await look(1)
  t.match(lost, [{ incarnation: server }])
})

t.test('a look that fails makes every silence begin anew', async t => {
  const { db, connect, lost, look } = await openWatcher(t)
  const server = await addServer(db)
  const session = await connect()
  await look(0)
  await session.query(`alter table ${db.t.incarnation} rename to away`)
  await t.rejects(look(lostAfterMs - 1), { code: 'CW_NOT_MIGRATED' })
  await session.query(`alter table "${db.schema}".away rename to incarnation`)
  await look(lostAfterMs)
  t.same(lost, [], 'the first look after the failure')
  await look(lostAfterMs - 1)
  t.same(lost, [])
  await look(1)
  t.match(lost, [{ incarnation: server }])
})

t.test('a declaration that fails holds up no other, and the next look tries it again', async t => {
  const { db, connect, lost, errors, look } = await openWatcher(t)
  const [stuck, other] = [await addServer(db), await addServer(db)]
  const session = await connect()
  await look(0)
  // As a claim does whose answer is never read.
  await session.query('begin')
  await session.query(`select from ${db.t.incarnation} where id = $1 for share`, [stuck])
  const next = await look(lostAfterMs)
  t.ok(typeof next === 'number')
  t.match(lost, [{ incarnation: other }])
  t.match(errors, [{ code: '55P03' }])
  await session.query('rollback')
  await look(0)
  t.match(lost, [{ incarnation: other }, { incarnation: stuck }])
  t.equal(errors.length, 1)
})

t.test('the live, the left and the lost are not declared', async t => {
  const { db, connect, lost, look } = await openWatcher(t)
  const [alive, gone] = [await addServer(db), await addServer(db)]
  await tryLock(await connect(), db.t, 'incarnation', alive)
  await db.query({
    text: `update ${db.t.incarnation} set state = 'left', ended_at = now() where id = $1`,
    values: [gone],
  })
  await look(0)
  await look(10 * lostAfterMs)
  t.same(lost, [])
})
