import t from 'tap'
import { cancelRequest } from '../../lib/db/cancel.ts'
import { promote } from '../../lib/db/promote.ts'
import type { Database } from '../../lib/db/database.ts'
import { addLane, addRequests, openRooms, outcomes, roomsOf } from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

const anHourMs = 3_600_000

t.test(
  'moves what is due, with its lane, priority and input, and tells when to come back',
  async t => {
    const { db } = await openRooms(t)
    const lane = await addLane(db)
    const due = { lane, priority: 7, input: { a: 1 }, dueInSeconds: -60 }
    const [id] = await addRequests(db, due)
    const [later] = await addRequests(db, { lane, dueInSeconds: 3600 })
    const { moved, nextInMs } = await promote(db)
    t.equal(moved, 1)
    t.ok(nextInMs !== null && nextInMs > anHourMs - 60_000 && nextInMs <= anHourMs)
    t.match(await roomsOf(db), { scheduled: [later], queue: [id] })
    const { rows } = await db.query({ text: `select lane, priority, input from ${db.t.queue}` })
    t.same(rows, [{ lane, priority: 7, input: { a: 1 } }])
  },
)

t.test('with nothing scheduled there is no next time', async t => {
  const { db } = await openRooms(t)
  t.same(await promote(db), { moved: 0, isFull: false, nextInMs: null })
})

t.test('says when there may be more that is due', async t => {
  const { db } = await openRooms(t)
  await addRequests(db, { lane: await addLane(db), count: 1001, dueInSeconds: -1 })
  t.match(await promote(db), { moved: 1000, isFull: true })
  t.match(await promote(db), { moved: 1, isFull: false })
})

t.test('8 servers at once promote each of 500 requests once', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const ids = await addRequests(db, { lane, count: 500, dueInSeconds: -1 })
  const answers = await Promise.all(Array.from({ length: 8 }, () => promoteAll(db)))
  t.equal(
    answers.reduce((sum, moved) => sum + moved, 0),
    500,
  )
  t.match(await roomsOf(db), { scheduled: [], queue: ids })
})

t.test('skips what another server is promoting', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const [locked, free] = await addRequests(db, { lane, count: 2, dueInSeconds: -1 })
  const session = await connect()
  await session.query('begin')
  await session.query(`select from ${db.t.scheduled} where id = $1 for update`, [locked])
  t.equal((await promote(db)).moved, 1)
  t.match(await roomsOf(db), { scheduled: [locked], queue: [free] })
  await session.query('rollback')
  t.equal((await promote(db)).moved, 1)
})

t.test('a cancel that comes second waits, and finds the request in the queue', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const [id] = (await addRequests(db, { lane, dueInSeconds: -1 })) as [string]
  const session = await connect()
  await session.query('begin')
  const within = Object.assign(Object.create(db) as Database, {
    query: session.query.bind(session),
  })
  t.equal((await promote(within)).moved, 1)
  const cancelling = cancelRequest(db, id)
  await untilBlocked(db)
  await session.query('commit')
  t.equal(await cancelling, 'cancelled')
  t.match(await roomsOf(db), { scheduled: [], queue: [], finished: [id] })
  t.match(await outcomes(db), [{ outcome: 'cancelled', incarnation: null }])
})

t.test('a promotion that comes second leaves what is being cancelled alone', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const [id] = (await addRequests(db, { lane, dueInSeconds: -1 })) as [string]
  const session = await connect()
  await session.query('begin')
  await session.query(`select ${db.t.cancel}($1)`, [id])
  t.equal((await promote(db)).moved, 0)
  await session.query('commit')
  t.equal((await promote(db)).moved, 0)
  t.match(await roomsOf(db), { scheduled: [], queue: [], finished: [id] })
})

async function promoteAll(db: Database): Promise<number> {
  let sum = 0
  for (let moved: number; (moved = (await promote(db)).moved) > 0;) sum += moved
  return sum
}
