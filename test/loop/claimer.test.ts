import t from 'tap'
import type { Test } from 'tap'
import { claim, readBackClaim, type Claimed } from '../../lib/db/claim.ts'
import { finish } from '../../lib/db/finish.ts'
import { Claimer } from '../../lib/loop/claimer.ts'
import { startProxy } from '../support/proxy.ts'
import {
  addLane,
  addRequests,
  addServer,
  openDatabase,
  openRooms,
  roomsOf,
  success,
} from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

const retryMs = 1234

/** A claimer on real functions, behind a proxy; what it starts is only written down. */
async function openClaimer(t: Test, { slots = 10 }: { slots?: number } = {}) {
  const { db: direct, url, connect } = await openRooms(t)
  const proxy = await startProxy(t, url)
  const db = openDatabase(t, proxy.url)
  const lane = await addLane(direct)
  const incarnation = await addServer(direct)
  const started: { id: string; token: string }[] = []
  const state = { slots, now: 0 }
  const claimer = new Claimer({
    clock: () => state.now,
    freeSlots: () => state.slots - started.length,
    claim: (limit, token) => claim(db, { incarnation, lanes: [lane], limit, token }),
    readBack: token => readBackClaim(db, incarnation, token),
    start: ({ id }: Claimed, token) => void started.push({ id, token }),
    retryMs,
  })
  return { direct, db, connect, proxy, lane, incarnation, started, state, claimer }
}

const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id)

t.test('claims as many as there are slots, and says when to look again', async t => {
  const { direct, lane, started, state, claimer } = await openClaimer(t, { slots: 3 })
  t.equal(await claimer.pass(), 'when woken', 'nothing is there')
  t.notOk(claimer.wantsSlots, 'a slot more would change nothing')
  const ids = await addRequests(direct, { lane, count: 4 })
  t.equal(await claimer.pass(), 0, 'there may be more')
  t.same(idsOf(started), ids.slice(0, 3))
  t.ok(claimer.wantsSlots)
  t.equal(await claimer.pass(), 'when woken', 'no slot is free')
  t.ok(claimer.wantsSlots)
  t.match(await roomsOf(direct), { queue: ids.slice(3), running: ids.slice(0, 3) })
  state.slots = 5
  t.equal(await claimer.pass(), 0, 'there may be some before those that it took')
  t.same(idsOf(started), ids)
  t.equal(await claimer.pass(), 'when woken', 'that was all')
  t.notOk(claimer.wantsSlots)
})

t.test('what a claim took whose answer was lost is read back, and started once', async t => {
  const { direct, proxy, lane, incarnation, started, claimer } = await openClaimer(t)
  const ids = await addRequests(direct, { lane, count: 5 })
  const cut = proxy.cut('cluster_worker.claim', 'after')
  await t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
  await cut
  t.same(started, [], 'only an answer starts a run')
  t.ok(claimer.wantsSlots, 'a run that can be finished shows that the database is back')
  t.match(await roomsOf(direct), { queue: [], running: ids })
  for (let pass = 0; pass < 3; pass++) await claimer.pass()
  t.same(idsOf(started), ids)
  t.same(await finish(direct, incarnation, started.map(success)), ids)
})

t.test('what is read back belongs to the claim whose answer was lost, and to no other', async t => {
  const { direct, proxy, lane, started, claimer } = await openClaimer(t)
  const answered = await addRequests(direct, { lane, count: 2 })
  await claimer.pass()
  const unanswered = await addRequests(direct, { lane, count: 2 })
  const cut = proxy.cut('cluster_worker.claim', 'after')
  await t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
  await cut
  await claimer.pass()
  t.same(idsOf(started), [...answered, ...unanswered])
})

t.test('a claim that never reached PostgreSQL took nothing; the next one does', async t => {
  const { direct, proxy, lane, started, claimer } = await openClaimer(t)
  const ids = await addRequests(direct, { lane, count: 5 })
  const cut = proxy.cut('cluster_worker.claim', 'before')
  await t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
  await cut
  t.match(await roomsOf(direct), { queue: ids, running: [] })
  await claimer.pass()
  await claimer.pass()
  t.same(idsOf(started), ids)
  t.match(await roomsOf(direct), { queue: [], running: ids })
})

t.test('a lost claim that PostgreSQL does only later is found by a later look', async t => {
  const { direct, connect, proxy, lane, incarnation, started, claimer } = await openClaimer(t, {
    slots: 1,
  })
  const [id] = await addRequests(direct, { lane })
  const session = await connect()
  await session.query('begin')
  await session.query(`select from ${direct.t.incarnation} where id = $1 for update`, [incarnation])
  const lost = t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
  await untilBlocked(direct)
  proxy.cutAll()
  await lost
  t.equal(started.length, 0)
  await session.query('commit')
  while (started.length === 0) await claimer.pass()
  t.same(idsOf(started), [id])
})

t.test('lost answers one after the other, each request started once', async t => {
  const { direct, proxy, lane, started, claimer } = await openClaimer(t, { slots: 1000 })
  const all: string[] = []
  for (let round = 0; round < 20; round++) {
    all.push(...(await addRequests(direct, { lane, count: 7 })))
    const when = round % 3 === 0 ? 'before' : 'after'
    const cut = proxy.cut('cluster_worker.claim', when)
    await t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
    await cut
  }
  await claimer.pass()
  await claimer.pass()
  t.same(new Set(idsOf(started)), new Set(all))
  t.equal(started.length, all.length)
})

t.test('a lost claim is not looked for for ever', async t => {
  const { direct, proxy, lane, state, claimer } = await openClaimer(t, { slots: 0 })
  t.equal(await claimer.pass(), 'when woken')
  state.slots = 1
  await addRequests(direct, { lane })
  const cut = proxy.cut('cluster_worker.claim', 'before')
  await t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
  await cut
  state.slots = 0
  t.equal(await claimer.pass(), retryMs, 'comes back to look')
  state.now += 60_001
  const look = proxy.cut('confirmed', 'before')
  await t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
  await look
  t.equal(await claimer.pass(), retryMs, 'the time counts from the look that failed')
  state.now += 60_001
  await claimer.pass()
  t.equal(await claimer.pass(), 'when woken')
})

t.test('whatever went wrong with an answer, the claim is read back, and started once', async t => {
  const { direct, db, lane, incarnation } = await openClaimer(t)
  const ids = await addRequests(direct, { lane, count: 2 })
  const started: string[] = []
  const failure = Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  const claimer = new Claimer({
    clock: () => 0,
    freeSlots: () => 10,
    async claim(limit, token) {
      await claim(db, { incarnation, lanes: [lane], limit, token })
      throw failure
    },
    readBack: token => readBackClaim(db, incarnation, token),
    start: ({ id }) => void started.push(id),
    retryMs,
  })
  await t.rejects(claimer.pass(), failure)
  t.same(started, [])
  await t.rejects(claimer.pass(), failure)
  await t.rejects(claimer.pass(), failure)
  t.same(started, ids)
})

t.test('settle starts what a claim took whose answer was lost, before anybody is told', async t => {
  const { direct, proxy, lane, started, claimer } = await openClaimer(t)
  const ids = await addRequests(direct, { lane, count: 2 })
  const cut = proxy.cut('cluster_worker.claim', 'after')
  const passing = t.rejects(claimer.pass(), { code: 'CW_CONNECTION' })
  await claimer.settle()
  await passing
  await cut
  t.same(idsOf(started), ids)
  await claimer.settle()
  t.same(idsOf(started), ids, 'once')
})

t.test('two claims at once have slots of their own, and settle waits for both', async t => {
  const { direct, lane, started, state, claimer } = await openClaimer(t, { slots: 2500 })
  const ids = await addRequests(direct, { lane, count: 4000 })
  t.equal(await claimer.passBeside(), 'when woken', 'nobody knows yet whether there is enough')
  t.equal(started.length, 0)
  t.equal(await claimer.pass(), 0)
  t.same(
    await Promise.all([claimer.pass(), claimer.passBeside()]),
    [0, 'when woken'],
    'a second one would not be full',
  )
  t.equal(started.length, 2000)
  state.slots = 5000
  const passing = Promise.all([claimer.pass(), claimer.passBeside()])
  await claimer.settle()
  t.same(new Set(idsOf(started)), new Set(ids))
  t.equal(started.length, ids.length)
  t.same(await passing, [0, 0])
})
