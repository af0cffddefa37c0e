import { randomUUID } from 'node:crypto'
import t from 'tap'
import { claim } from '../../lib/db/claim.ts'
import type { Database, Queryable } from '../../lib/db/database.ts'
import {
  beginIncarnation,
  declareLost,
  leave,
  stopAccepting,
  type NodeDescription,
} from '../../lib/db/incarnations.ts'
import { readHistory } from '../../lib/db/node-history.ts'
import { registerNode } from '../../lib/db/node-identity.ts'
import { pulse } from '../../lib/db/pulse.ts'
import { retireNode } from '../../lib/db/retire.ts'
import { doDuty } from '../../lib/db/standby.ts'
import { resumeNode, suspendNode, suspensionKinds } from '../../lib/db/suspensions.ts'
import { addLane, addRequests, describeNode, openRooms } from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

/** The same database functions, in a session whose transaction is left open. */
function within(session: Queryable, db: Database): Database {
  const query = session.query.bind(session)
  return Object.assign(Object.create(db) as Database, {
    query,
    transaction: <T>(work: (client: Queryable) => Promise<T>) => work({ query }),
  })
}

interface Member {
  node: string
  incarnation: string
}

async function openCrew(test: Parameters<typeof openRooms>[0]) {
  const rooms = await openRooms(test)
  const { db } = rooms
  const session = await rooms.connect()
  const join = async (node: string, about: Partial<NodeDescription> = {}): Promise<Member> => {
    const described = { ...describeNode(node), ...about }
    await registerNode(db, described)
    return { node, incarnation: await beginIncarnation(session, db.t, described) }
  }
  const look = ({ incarnation }: Member) =>
    pulse(db, db.t, {
      incarnation,
      lanes: undefined,
      isWatching: true,
      isStandby: true,
      beat: 1,
      last: undefined,
    })
  const historyOf = async (node: string) =>
    (await readHistory(db, node, 9)).map(({ state }) => state)
  const open = await rooms.connect()
  await open.query('begin')
  return { ...rooms, join, look, historyOf, open, opened: within(open, db) }
}

const standby = { role: 'standby' } as const
const suspension = { kind: 'operator', reason: 'new disk', who: 'ada' } as const

t.test('what a standby has to do follows from who else may claim', async t => {
  const { db, join, look, historyOf } = await openCrew(t)
  const a = await join('a')
  const b = await join('b', standby)
  t.match(await look(a), { duty: null, hasOrders: false })
  t.match(await look(b), { duty: null, hasOrders: false }, 'silent, but not declared lost')
  t.equal(await doDuty(db, b), undefined)
  await declareLost(db, a.incarnation, 'b')
  t.match(await look(b), { duty: 'take-over' })
  t.equal(await doDuty(db, b), 'take-over')
  t.match(await look(b), { duty: null, hasOrders: true })
  t.equal(await doDuty(db, b), undefined, 'once')
  await join('c', standby)
  t.equal((await look(b)).duty, null, 'another standby')
  await join('a')
  t.match(await look(b), { duty: 'hand-back' })
  t.equal(await doDuty(db, b), 'hand-back')
  t.match(await look(b), { duty: null })
  t.same(await historyOf('b'), ['handed-back', 'took-over', 'joined'])
  t.equal(await doDuty(db, { node: 'a', incarnation: a.incarnation }), undefined)
})

t.test('one that is handed back by hand claims on beside an active server', async t => {
  const { db, join, look } = await openCrew(t)
  const b = await join('b', { ...standby, handBack: 'manual' })
  t.equal(await doDuty(db, b), 'take-over')
  await join('a')
  t.equal((await look(b)).duty, null)
  t.equal(await doDuty(db, b), undefined)
  await suspendNode(db, { ...suspension, node: 'b' })
  const { remaining } = await resumeNode(db, { node: 'b', kinds: ['operator'], by: 'ada' })
  t.match(remaining, [{ kind: 'standby' }])
})

t.test('one that is suspended, or leaves, takes no turn', async t => {
  const { db, join, look, historyOf } = await openCrew(t)
  const b = await join('b', standby)
  await suspendNode(db, { ...suspension, node: 'b' })
  t.equal((await look(b)).duty, null)
  t.equal(await doDuty(db, b), undefined)
  await resumeNode(db, { node: 'b', kinds: ['operator'], by: 'ada' })
  t.same(await historyOf('b'), ['suspended', 'joined'], 'it was standing by all the time')
  t.equal((await look(b)).duty, 'take-over')
  await leave(db, b.incarnation)
  t.equal((await look(b)).duty, null)
  t.equal(await doDuty(db, b), undefined)
})

t.test('of two standbys that take over at the same time, one does', async t => {
  const { db, join, open, opened } = await openCrew(t)
  const b = await join('b', standby)
  const c = await join('c', standby)
  t.equal(await doDuty(opened, b), 'take-over')
  t.equal(await doDuty(db, c), undefined, 'the first one is at it')
  await open.query('commit')
  t.equal(await doDuty(db, c), undefined, 'the first one claims')
})

t.test('when the first of two fails to take over, the second one does', async t => {
  const { db, join, open, opened } = await openCrew(t)
  const b = await join('b', standby)
  const c = await join('c', standby)
  t.equal(await doDuty(opened, b), 'take-over')
  await open.query('rollback')
  t.equal(await doDuty(db, c), 'take-over')
})

t.test('a suspension waits for a standby that takes over, and makes it stand by', async t => {
  const { db, join, open, opened, look, historyOf } = await openCrew(t)
  const b = await join('b', standby)
  await doDuty(opened, b)
  const suspending = suspendNode(db, { ...suspension, node: 'b' })
  await untilBlocked(db)
  await open.query('commit')
  await suspending
  t.same(await historyOf('b'), ['handed-back', 'suspended', 'took-over', 'joined'])
  t.equal((await look(b)).duty, null)
})

t.test('a standby that takes over waits for an order to itself, and obeys it', async t => {
  const { db, join, open, opened } = await openCrew(t)
  const b = await join('b', standby)
  await suspendNode(opened, { ...suspension, node: 'b' })
  const taking = doDuty(db, b)
  await untilBlocked(db)
  await open.query('commit')
  t.equal(await taking, undefined)
})

t.test('resume --all during the same is not done a second time', async t => {
  const { db, join, open, opened, historyOf } = await openCrew(t)
  const b = await join('b', standby)
  await resumeNode(opened, { node: 'b', kinds: suspensionKinds, by: 'ada' })
  const taking = doDuty(db, b)
  await untilBlocked(db)
  await open.query('commit')
  t.equal(await taking, undefined)
  t.same(await historyOf('b'), ['resumed', 'joined'])
})

t.test('a standby that was declared lost takes over nothing', async t => {
  const { db, join, open, opened, historyOf } = await openCrew(t)
  const b = await join('b', standby)
  await declareLost(opened, b.incarnation, 'c')
  const taking = doDuty(db, b)
  await untilBlocked(db)
  await open.query('commit')
  t.equal(await taking, undefined)
  t.same(await historyOf('b'), ['lost', 'joined'])
})

t.test('a declaration waits for a standby that takes over', async t => {
  const { db, join, open, opened, look } = await openCrew(t)
  const b = await join('b', standby)
  await doDuty(opened, b)
  const declaring = declareLost(db, b.incarnation, 'c')
  await untilBlocked(db)
  await open.query('commit')
  t.same(await declaring, [])
  t.match(await look(b), { isAlive: false, duty: null })
})

t.test(
  'an active server that begins meanwhile claims, too; then the standby hands back',
  async t => {
    const { db, join, open, opened, look } = await openCrew(t)
    const b = await join('b', standby)
    await doDuty(opened, b)
    await join('a')
    await open.query('commit')
    t.equal((await look(b)).duty, 'hand-back')
    t.equal(await doDuty(db, b), 'hand-back')
  },
)

t.test('a server that is stopping counts as none; its claims under way come first', async t => {
  const { db, join, look, open, opened } = await openCrew(t)
  const lane = await addLane(db)
  const a = await join('a')
  const b = await join('b', standby)
  const [id] = await addRequests(db, { lane })
  const about = { incarnation: a.incarnation, lanes: [lane], limit: 10, token: randomUUID() }
  t.match(await claim(opened, about), [{ id }])
  const stopping = stopAccepting(db, a.incarnation)
  await untilBlocked(db)
  t.equal((await look(b)).duty, null)
  await open.query('commit')
  await stopping
  t.equal((await look(b)).duty, 'take-over')
})

t.test('the crew: whether anybody claims, and whether a standby is missing', async t => {
  const { db, join, look } = await openCrew(t)
  const crew = async (member: Member) => (await look(member)).crew
  const a = await join('a')
  t.same(await crew(a), { isClaiming: true, isStandbyMissing: false }, 'there never was one')
  const b = await join('b', standby)
  await join('c', standby)
  await leave(db, b.incarnation)
  t.same(await crew(a), { isClaiming: true, isStandbyMissing: false }, 'one is enough')
  await retireNode(db, { node: 'b', who: 'ada', reason: '' })
  await suspendNode(db, { ...suspension, node: 'a' })
  t.same(await crew(a), { isClaiming: false, isStandbyMissing: false })
  const { incarnation } = await join('c', standby)
  await db.query({
    text: `update ${db.t.incarnation} set state = 'lost', ended_at = now() where node = 'c'`,
  })
  t.same(await crew(a), { isClaiming: false, isStandbyMissing: true })
  const d = await join('c')
  t.not(d.incarnation, incarnation)
  t.same(await crew(a), { isClaiming: true, isStandbyMissing: false }, 'it has another role now')
})
