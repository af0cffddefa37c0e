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
  const state = { now: 1_000_000, failing: false }
  const watcher = new Watcher({
    lostAfterMs,
    clock: () => state.now,
    findSilent: () => findSilent(db),
    declareLost: incarnation => {
      if (state.failing) throw new Error('the declaration failed')
      return declareLost(db, incarnation, 'watcher')
    },
    onLost: about => void lost.push(about),
  })
  const look = async (afterMs: number) => {
    state.now += afterMs
    return watcher.pass()
  }
  return { ...rooms, lost, state, look }
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

t.test('a declaration that fails is tried again, after lostAfter', async t => {
  const { db, lost, state, look } = await openWatcher(t)
  const server = await addServer(db)
  await look(0)
  state.failing = true
  await t.rejects(look(lostAfterMs), { message: 'the declaration failed' })
  state.failing = false
  await look(0)
  t.same(lost, [])
  await look(lostAfterMs)
  t.match(lost, [{ incarnation: server }])
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
