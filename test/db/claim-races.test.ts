import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cancelRequest } from '../../lib/db/cancel.ts'
import { claim } from '../../lib/db/claim.ts'
import type { Database, Queryable } from '../../lib/db/database.ts'
import { declareLost, leave } from '../../lib/db/incarnations.ts'
import {
  addLane,
  addRequests,
  addRun,
  addServer,
  openRooms,
  outcomes,
  roomsOf,
} from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

/** A claim that runs in the given session, so that it can be left open in a transaction. */
function claimIn(session: Queryable, db: Database, incarnation: string, lane: number) {
  const within = Object.assign(Object.create(db) as Database, {
    query: session.query.bind(session),
  })
  return claim(within, { incarnation, lanes: [lane], limit: 10, token: randomUUID() })
}

t.test('a cancel that comes second waits for the claim, and asks the server to stop', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const [id] = (await addRequests(db, { lane })) as [string]
  const session = await connect()
  await session.query('begin')
  t.match(await claimIn(session, db, server, lane), [{ id }])
  const cancelling = cancelRequest(db, id)
  await untilBlocked(db)
  await session.query('commit')
  t.equal(await cancelling, 'requested')
  t.match(await roomsOf(db), { queue: [], running: [id], finished: [] })
})

t.test('a cancel that comes second finds the request again when the claim is undone', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const [id] = (await addRequests(db, { lane })) as [string]
  const session = await connect()
  await session.query('begin')
  t.match(await claimIn(session, db, await addServer(db), lane), [{ id }])
  const cancelling = cancelRequest(db, id)
  await untilBlocked(db)
  await session.query('rollback')
  t.equal(await cancelling, 'cancelled')
  t.match(await roomsOf(db), { queue: [], running: [], finished: [id] })
})

t.test('a claim that comes second does not wait for the cancel, and takes the others', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const [cancelled, other] = (await addRequests(db, { lane, count: 2 })) as [string, string]
  const session = await connect()
  await session.query('begin')
  await session.query(`select ${db.t.cancel}($1)`, [cancelled])
  t.same(
    (await claimIn(db, db, server, lane)).map(({ id }) => id),
    [other],
  )
  await session.query('commit')
  t.same(await claimIn(db, db, server, lane), [])
  t.match(await outcomes(db), [{ id: cancelled, outcome: 'cancelled', incarnation: null }])
})

t.test('two cancels at once: one of them cancels', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const [id] = (await addRequests(db, { lane })) as [string]
  const session = await connect()
  await session.query('begin')
  await session.query(`select ${db.t.cancel}($1)`, [id])
  const second = cancelRequest(db, id)
  await untilBlocked(db)
  await session.query('commit')
  t.equal(await second, 'finished')
  t.equal((await outcomes(db)).length, 1)
})

t.test('a declaration waits for a claim that is under way, and fails what it took', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const [id] = (await addRequests(db, { lane })) as [string]
  const session = await connect()
  await session.query('begin')
  await claimIn(session, db, server, lane)
  const declaring = declareLost(db, server, 'other')
  await untilBlocked(db)
  await session.query('commit')
  t.same(await declaring, [id])
  t.match(await outcomes(db), [
    { id, outcome: 'failed', reason: 'server_lost', incarnation: server },
  ])
  t.same(await runsOfTheDead(db), [])
})

t.test('a declaration does not wait for ever, and changes nothing then', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const [id] = (await addRequests(db, { lane })) as [string]
  const session = await connect()
  await session.query('begin')
  await claimIn(session, db, server, lane)
  await t.rejects(declareLost(db, server, 'other'), { code: '55P03' })
  t.equal(await stateOf(db, server), 'alive')
  await session.query('commit')
  t.same(await declareLost(db, server, 'other'), [id])
})

t.test('a claim that comes after the declaration waits for it and takes nothing', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const ids = await addRequests(db, { lane, count: 3 })
  const session = await connect()
  await session.query('begin')
  await session.query(
    `update ${db.t.incarnation} set state = 'lost', ended_at = now() where id = $1`,
    [server],
  )
  const claiming = claimIn(db, db, server, lane)
  await untilBlocked(db)
  await session.query('commit')
  t.same(await claiming, [])
  t.match(await roomsOf(db), { queue: ids, running: [] })
  t.same(await runsOfTheDead(db), [])
})

t.test('a server that runs something cannot leave', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  await addRun(db, server, lane)
  t.equal(await leave(db, server), false)
  t.same(await stateOf(db, server), 'alive')
})

t.test(
  'a server cannot leave while a claim of its own is under way that takes something',
  async t => {
    const { db, connect } = await openRooms(t)
    const lane = await addLane(db)
    const server = await addServer(db)
    await addRequests(db, { lane })
    const session = await connect()
    await session.query('begin')
    await claimIn(session, db, server, lane)
    const leaving = leave(db, server)
    await untilBlocked(db)
    await session.query('commit')
    t.equal(await leaving, false)
    t.equal(await stateOf(db, server), 'alive')
    t.same(await runsOfTheDead(db), [])
  },
)

t.test('after a server has left it claims nothing, and it cannot be lost any more', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const ids = await addRequests(db, { lane })
  t.equal(await leave(db, server), true)
  t.same(await claimIn(db, db, server, lane), [])
  t.equal(await leave(db, server), true, 'it is repeated when the answer was lost')
  t.equal(await declareLost(db, server, 'other'), undefined)
  t.equal(await stateOf(db, server), 'left')
  t.match(await roomsOf(db), { queue: ids, running: [] })
})

async function stateOf(db: Database, incarnation: string): Promise<string | undefined> {
  const { rows } = await db.query<{ state: string }>({
    text: `select state from ${db.t.incarnation} where id = $1`,
    values: [incarnation],
  })
  return rows[0]?.state
}

/** Running rows that nobody would ever finish. */
async function runsOfTheDead(db: Database): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    text: `
      select r.id from ${db.t.running} as r join ${db.t.incarnation} as i on i.id = r.incarnation
      where i.state <> 'alive'`,
  })
  return rows.map(({ id }) => id)
}
