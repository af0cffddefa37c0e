import t from 'tap'
import { cancelRequest } from '../../lib/db/cancel.ts'
import type { Database, Queryable } from '../../lib/db/database.ts'
import { finish } from '../../lib/db/finish.ts'
import { countSession, declareLost } from '../../lib/db/incarnations.ts'
import { getRequest } from '../../lib/db/status.ts'
import { writeSteps } from '../../lib/db/steps.ts'
import {
  addLane,
  addRun,
  addServer,
  openRooms,
  outcomes,
  roomsOf,
  stepRecord,
  success,
} from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

/** A run, a session with an open transaction, and the database functions within that session. */
async function openRace(t: Parameters<typeof openRooms>[0]) {
  const { db, connect } = await openRooms(t)
  const server = await addServer(db)
  const run = await addRun(db, server, await addLane(db))
  const session = await connect()
  await session.query('begin')
  return { db, server, run, session, within: within(db, session) }
}

/** The same database, with every statement on one session and no transactions of its own. */
function within(db: Database, session: Queryable): Database {
  return Object.assign(Object.create(db) as Database, {
    query: session.query.bind(session),
    transaction: (work: (client: Queryable) => Promise<unknown>) => work(session),
  })
}

t.test('a declaration that comes second finds the run finished', async t => {
  const { db, server, run, session, within } = await openRace(t)
  t.same(await finish(within, server, [success(run)]), [run.id])
  const declaring = declareLost(db, server, 'other')
  await untilBlocked(db)
  await session.query('commit')
  t.same(await declaring, [])
  t.match(await outcomes(db), [{ id: run.id, outcome: 'succeeded' }])
})

t.test('a finish that comes second changes nothing, and is told so', async t => {
  const { db, server, run, session, within } = await openRace(t)
  t.same(await declareLost(within, server, 'other'), [run.id])
  const finishing = finish(db, server, [success(run)])
  await untilBlocked(db)
  await session.query('commit')
  t.same(await finishing, [])
  t.match(await outcomes(db), [{ id: run.id, outcome: 'failed', reason: 'server_lost' }])
  t.match((await getRequest(db, run.id))?.error, { code: 'CW_NODE_LOST' })
})

t.test('a finish that comes second happens when the declaration is undone', async t => {
  const { db, server, run, session, within } = await openRace(t)
  await declareLost(within, server, 'other')
  const finishing = finish(db, server, [success(run)])
  await untilBlocked(db)
  await session.query('rollback')
  t.same(await finishing, [run.id])
  t.match(await outcomes(db), [{ id: run.id, outcome: 'succeeded' }])
})

t.test(
  'two declarations at once: one fails the run, the other is told that it did nothing',
  async t => {
    const { db, server, run, session, within } = await openRace(t)
    t.same(await declareLost(within, server, 'one'), [run.id])
    const second = declareLost(db, server, 'two')
    await untilBlocked(db)
    await session.query('commit')
    t.equal(await second, undefined)
    t.match((await getRequest(db, run.id))?.error, { message: /noticed by one/ })
    t.equal((await outcomes(db)).length, 1)
  },
)

t.test('a server that has proved itself since its silence began is not declared lost', async t => {
  const { db, server, run } = await openRace(t)
  await countSession(db, db.t, server)
  t.equal(await declareLost(db, server, 'other', 1), undefined)
  t.match(await roomsOf(db), { running: [run.id], finished: [] })
  t.same(await declareLost(db, server, 'other', 2), [run.id])
})

t.test('the loss of one life of a node is no loss of the next', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const [before, now] = [await addServer(db, 'a'), await addServer(db, 'a')]
  const [lost, live] = [await addRun(db, before, lane), await addRun(db, now, lane)]
  t.same(await declareLost(db, before, 'other'), [lost.id])
  t.match(await roomsOf(db), { running: [live.id] })
})

t.test('a finish waits for a cancel, and then moves the run all the same', async t => {
  const { db, server, run, session, within } = await openRace(t)
  t.equal(await cancelRequest(within, run.id), 'requested')
  const finishing = finish(db, server, [success(run)])
  await untilBlocked(db)
  await session.query('commit')
  t.same(await finishing, [run.id])
  t.match(await roomsOf(db), { running: [], finished: [run.id] })
})

t.test('a cancel that comes second finds the run finished', async t => {
  const { db, server, run, session, within } = await openRace(t)
  await finish(within, server, [success(run)])
  const cancelling = cancelRequest(db, run.id)
  await untilBlocked(db)
  await session.query('commit')
  t.equal(await cancelling, 'finished')
  t.match(await outcomes(db), [{ id: run.id, outcome: 'succeeded' }])
})

t.test('a declaration waits for a cancel, and then fails the run', async t => {
  const { db, server, run, session, within } = await openRace(t)
  await cancelRequest(within, run.id)
  const declaring = declareLost(db, server, 'other')
  await untilBlocked(db)
  await session.query('commit')
  t.same(await declaring, [run.id])
  t.match(await outcomes(db), [{ id: run.id, reason: 'server_lost' }])
})

t.test('a declaration waits for steps that are being written, and ends them', async t => {
  const { db, server, run, session, within } = await openRace(t)
  await writeSteps(within, server, [
    stepRecord(run.id, { state: 'succeeded', finishedMs: 2 }),
    stepRecord(run.id, { position: 1, name: 'second' }),
  ])
  const declaring = declareLost(db, server, 'other')
  await untilBlocked(db)
  await session.query('commit')
  await declaring
  t.match((await getRequest(db, run.id))?.steps, [
    { name: 'first', state: 'succeeded', error: null },
    { name: 'second', state: 'failed', error: { code: 'CW_NODE_LOST' }, finishedAt: Date },
  ])
})

t.test('steps that come after the declaration are dropped', async t => {
  const { db, server, run, session, within } = await openRace(t)
  await declareLost(within, server, 'other')
  const writing = writeSteps(db, server, [stepRecord(run.id)])
  await untilBlocked(db)
  await session.query('commit')
  await writing
  t.same((await getRequest(db, run.id))?.steps, [])
})

t.test('a repeated finish waits for the first one, and both are ours', async t => {
  const { db, server, run, session, within } = await openRace(t)
  await finish(within, server, [success(run)])
  const repeated = finish(db, server, [success(run)])
  await untilBlocked(db)
  await session.query('commit')
  t.same(await repeated, [run.id])
  t.equal((await outcomes(db)).length, 1)
})
