import { randomUUID } from 'node:crypto'
import t from 'tap'
import { claim } from '../../lib/db/claim.ts'
import type { Database, Queryable } from '../../lib/db/database.ts'
import { declareLost, leave, beginIncarnation } from '../../lib/db/incarnations.ts'
import { acknowledgeControl, markDrained, readControl } from '../../lib/db/node-control.ts'
import { purgeHistory, readHistory } from '../../lib/db/node-history.ts'
import { getNode, listNodes } from '../../lib/db/nodes.ts'
import { retireNode } from '../../lib/db/retire.ts'
import { resumeNode, suspendNode, suspensionKinds } from '../../lib/db/suspensions.ts'
import { finish } from '../../lib/db/finish.ts'
import {
  addLane,
  addRequests,
  addRun,
  addServer,
  describeNode,
  openRooms,
  success,
} from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

/** The same database functions, in a session whose transaction is left open. */
function within(session: Queryable, db: Database): Database {
  const query = session.query.bind(session)
  return Object.assign(Object.create(db) as Database, {
    query,
    transaction: <T>(work: (client: Queryable) => Promise<T>) => work({ query }),
  })
}

const claimAll = (db: Database, incarnation: string, lane: number) =>
  claim(db, { incarnation, lanes: [lane], limit: 10, token: randomUUID() })

const suspension = { node: 'a', kind: 'operator', reason: 'new disk', who: 'ada' } as const
const resumption = { node: 'a', kinds: suspensionKinds, by: 'ada' }

async function openNode(test: Parameters<typeof openRooms>[0]) {
  const rooms = await openRooms(test)
  const lane = await addLane(rooms.db)
  const server = await addServer(rooms.db, 'a')
  const [id] = (await addRequests(rooms.db, { lane })) as [string]
  const session = await rooms.connect()
  await session.query('begin')
  return { ...rooms, lane, server, id, session, open: within(session, rooms.db) }
}

const about = describeNode('a')

t.test('a suspension waits for a claim that is under way; a later claim takes nothing', async t => {
  const { db, lane, server, id, session, open } = await openNode(t)
  t.match(await claimAll(open, server, lane), [{ id }])
  const suspending = suspendNode(db, suspension)
  await untilBlocked(db)
  await session.query('commit')
  t.match(await suspending, { incarnation: server })
  await addRequests(db, { lane })
  t.same(await claimAll(db, server, lane), [])
})

t.test('a claim that comes second waits for the suspension, and takes nothing', async t => {
  const { db, lane, server, session, open } = await openNode(t)
  await suspendNode(open, suspension)
  const claiming = claimAll(db, server, lane)
  await untilBlocked(db)
  await session.query('commit')
  t.same(await claiming, [])
})

t.test('a claim that comes second takes all when the suspension is undone', async t => {
  const { db, lane, server, id, session, open } = await openNode(t)
  await suspendNode(open, suspension)
  const claiming = claimAll(db, server, lane)
  await untilBlocked(db)
  await session.query('rollback')
  t.match(await claiming, [{ id }])
})

t.test('an order that comes while its server is declared lost finds it gone', async t => {
  const { db, server, session, open } = await openNode(t)
  t.same(await declareLost(open, server, 'b'), [])
  const orders = [suspendNode(db, suspension), resumeNode(db, resumption)]
  await untilBlocked(db, orders.length)
  await session.query('commit')
  for (const order of orders) t.match(await order, { incarnation: undefined })
  t.match(await listNodes(db), [{ state: 'lost' }])
})

t.test('a drain to exit that comes while its server is declared lost changes nothing', async t => {
  const { db, server, session, open } = await openNode(t)
  t.same(await declareLost(open, server, 'b'), [])
  const draining = suspendNode(db, { node: 'a', kind: 'drain', who: 'ada', thenExit: true })
  await untilBlocked(db)
  await session.query('commit')
  t.equal(await draining, undefined, 'nobody is there to exit')
})

t.test('a declaration waits for an order, but not for ever', async t => {
  const { db, server, session, open } = await openNode(t)
  await resumeNode(open, resumption)
  await t.rejects(declareLost(db, server, 'b'), { code: '55P03' })
  const declaring = declareLost(db, server, 'b')
  await untilBlocked(db)
  await session.query('commit')
  t.same(await declaring, [])
})

t.test('a run finishes on a suspended server', async t => {
  const { db, lane, server } = await openNode(t)
  const run = await addRun(db, server, lane)
  await suspendNode(db, suspension)
  t.same(await finish(db, server, [success(run)]), [run.id])
})

t.test('an incarnation that begins after a suspension waits for it, and may not claim', async t => {
  const { db, connect, lane, session, open } = await openNode(t)
  await suspendNode(open, suspension)
  const other = await connect()
  const beginning = beginIncarnation(other, db.t, about)
  await untilBlocked(db)
  await session.query('commit')
  const incarnation = await beginning
  t.same(await claimAll(db, incarnation, lane), [])
  t.match(await readControl(db, incarnation), { accepting: false, seen: '1', control: '1' })
})

t.test('a suspension that comes second waits for the incarnation that begins', async t => {
  const { db, connect, lane } = await openNode(t)
  const holder = await connect()
  const slow: Queryable = {
    query: async statement =>
      statement.text === 'commit'
        ? await stalled.promise.then(() => holder.query(statement))
        : holder.query(statement),
  }
  const stalled = Promise.withResolvers<void>()
  const beginning = beginIncarnation(slow, db.t, about)
  const suspending = untilBegun(db).then(() => suspendNode(db, suspension))
  await untilBlocked(db)
  stalled.resolve()
  const incarnation = await beginning
  t.match(await suspending, { incarnation })
  t.same(await claimAll(db, incarnation, lane), [])
})

/** Resolves when somebody holds the lock of the node's row. */
async function untilBegun(db: Database): Promise<void> {
  for (;;) {
    const { rowCount } = await db.query({
      text: `select from ${db.t.node} where id = 'a' for no key update skip locked`,
    })
    if (rowCount === 0) return
  }
}

t.test('resume and suspend come one after the other, and the last one counts', async t => {
  const { db, lane, server, id, session, open } = await openNode(t)
  await suspendNode(db, suspension)
  await resumeNode(open, resumption)
  const suspending = suspendNode(db, suspension)
  await untilBlocked(db)
  await session.query('commit')
  await suspending
  t.same(await claimAll(db, server, lane), [])
  await session.query('begin')
  await suspendNode(open, { ...suspension, who: 'eve' })
  const resuming = resumeNode(db, resumption)
  await untilBlocked(db)
  await session.query('commit')
  t.match(await resuming, { remaining: [], cleared: { length: 2 } })
  t.match(await claimAll(db, server, lane), [{ id }])
})

t.test('an order gets an answer of its own', async t => {
  const { db, server } = await openNode(t)
  const first = await suspendNode(db, suspension)
  await acknowledgeControl(db, server, first?.control ?? '')
  await resumeNode(db, resumption)
  const second = await suspendNode(db, suspension)
  t.match(await readControl(db, server), { seen: first?.control, control: second?.control })
  t.ok(Number(second?.control) > Number(first?.control))
})

t.test('a node drains when nothing runs on it, and not when it was resumed before', async t => {
  const { db, lane, server } = await openNode(t)
  const run = await addRun(db, server, lane)
  const drain = { node: 'a', kind: 'drain', who: 'ada' } as const
  const ids = [(await suspendNode(db, drain))?.id ?? '']
  await markDrained(db, { node: 'a', incarnation: server, ids })
  t.match(await readControl(db, server), { suspensions: [{ isDrained: false }] })
  await finish(db, server, [success(run)])
  await markDrained(db, { node: 'a', incarnation: server, ids })
  await markDrained(db, { node: 'a', incarnation: server, ids })
  t.match(await readControl(db, server), { suspensions: [{ isDrained: true }] })
  await resumeNode(db, resumption)
  const again = [(await suspendNode(db, drain))?.id ?? '']
  await resumeNode(db, resumption)
  await markDrained(db, { node: 'a', incarnation: server, ids: again })
  t.match(
    (await readHistory(db, 'a', 10)).map(({ state }) => state),
    ['resumed', 'draining', 'resumed', 'drained', 'draining', 'joined'],
  )
})

t.test('a drain to exit ends with the life that leaves, not with one that is lost', async t => {
  const { db, server } = await openNode(t)
  await suspendNode(db, { node: 'a', kind: 'drain', who: 'ada', thenExit: true })
  t.same(await declareLost(db, server, 'b'), [])
  const next = await addServer(db, 'a')
  t.match(await readControl(db, next), { accepting: false, suspensions: [{ thenExit: true }] })
  t.ok(await leave(db, next))
  t.match(await readControl(db, await addServer(db, 'a')), { accepting: true, suspensions: [] })
  t.match(
    (await readHistory(db, 'a', 2)).map(({ state }) => state),
    ['joined', 'left'],
  )
})

t.test('a node that does not run cannot be told to exit, but to stay suspended', async t => {
  const { db, server, lane } = await openNode(t)
  await leave(db, server)
  t.equal(
    await suspendNode(db, { node: 'a', kind: 'drain', who: 'ada', thenExit: true }),
    undefined,
  )
  t.match(await suspendNode(db, suspension), { incarnation: undefined })
  t.same(await claimAll(db, await addServer(db, 'a'), lane), [])
})

t.test('a reason that a server gives does not meet its next incarnation', async t => {
  const { db, server } = await openNode(t)
  await declareLost(db, server, 'b')
  const next = await addServer(db, 'a')
  const full = { node: 'a', kind: 'disk-full', who: 'a', incarnation: server } as const
  t.equal(await suspendNode(db, full), undefined)
  t.match(await readControl(db, next), { accepting: true })
  await suspendNode(db, suspension)
  t.match(await resumeNode(db, { ...resumption, incarnation: server }), { cleared: [] })
  t.match(await readControl(db, next), { accepting: false })
})

t.test('a suspension that was over when the node began does not count', async t => {
  const { db } = await openNode(t)
  await suspendNode(db, { ...suspension, forMs: 0 })
  const next = await addServer(db, 'a')
  t.match(await readControl(db, next), { accepting: true, suspensions: [] })
  t.match(await getNode(db, 'a'), { suspensions: [{ clearedBy: 'its time' }] })
})

t.test('a retired node is refused until it is resumed, and a live one is not retired', async t => {
  const { db, server } = await openNode(t)
  t.equal(await retireNode(db, { node: 'a', who: 'ada' }), server)
  await leave(db, server)
  await suspendNode(db, suspension)
  t.equal(await retireNode(db, { node: 'a', who: 'ada' }), undefined)
  t.match(await listNodes(db), [{ node: 'a', state: 'retired', reasons: [] }])
  await t.rejects(addServer(db, 'a'), { code: 'CW_NODE_RETIRED', message: /retired by ada/ })
  await resumeNode(db, resumption)
  await t.rejects(addServer(db, 'a'), { code: 'CW_NODE_RETIRED' }, 'unless it is taken back')
  await resumeNode(db, { ...resumption, takeBack: true })
  await t.resolves(addServer(db, 'a'))
})

t.test('a node that begins while it is retired is refused, or is not retired', async t => {
  const { db, connect, server, session, open } = await openNode(t)
  await leave(db, server)
  await retireNode(open, { node: 'a', who: 'ada' })
  const beginning = beginIncarnation(await connect(), db.t, about)
  const refused = t.rejects(beginning, { code: 'CW_NODE_RETIRED' })
  await untilBlocked(db)
  await session.query('commit')
  await refused
})

t.test('an unknown node is refused with the nearest name', async t => {
  const { db } = await openNode(t)
  await addServer(db, 'web-server-1')
  await t.rejects(suspendNode(db, { ...suspension, node: 'web-servr-1' }), {
    code: 'CW_NODE_UNKNOWN',
    message: /did you mean 'web-server-1'\?/,
  })
  await t.rejects(resumeNode(db, { ...resumption, node: 'nothing like it' }), {
    message: /cluster-worker nodes lists them/,
  })
})

t.test('old history is removed, but the last line of each node stays', async t => {
  const { db } = await openNode(t)
  await suspendNode(db, suspension)
  await resumeNode(db, resumption)
  await suspendNode(db, suspension)
  await purgeHistory(db, 3_600_000)
  t.equal((await readHistory(db, 'a', 10)).length, 4)
  await purgeHistory(db, -3_600_000)
  t.match(await readHistory(db, 'a', 10), [{ state: 'suspended' }])
  t.match((await getNode(db, 'a'))?.suspensions, { length: 1 }, 'what is open stays')
})
