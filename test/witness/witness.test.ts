import { once } from 'node:events'
import type { ClientConfig } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { monotonic } from '../../lib/base/clock.ts'
import { claim } from '../../lib/db/claim.ts'
import { Database } from '../../lib/db/database.ts'
import { declareLost, leave } from '../../lib/db/incarnations.ts'
import { registerNode } from '../../lib/db/node-identity.ts'
import { ClusterError } from '../../lib/errors.ts'
import { limitsOf } from '../../lib/witness/limits.ts'
import { openSession } from '../../lib/witness/session.ts'
import { Watcher } from '../../lib/witness/watcher.ts'
import { Witness, type Look } from '../../lib/witness/witness.ts'
import {
  addLane,
  addRequests,
  describeNode,
  findSilent,
  openDatabase,
  openRooms,
} from '../support/rows.ts'
import { until } from '../support/until.ts'

/** Long enough that a machine under load does not fence, short enough that a heartbeat comes soon. */
const lostAfterMs = 2000

async function beginWitness(
  t: Test,
  db: Database,
  node: string,
  more: { lanes?: number[]; isStuck?: () => boolean; proven?: (forMs: number) => void } = {},
) {
  const { promise: lost, resolve: onLost } = Promise.withResolvers<ClusterError>()
  const errors: unknown[] = []
  const looks: Look[] = []
  const witness = await Witness.begin({
    t: db.t,
    connect: config => db.connectAlone(config),
    isAway: error => db.isAway(error),
    clock: monotonic,
    nodeSeq: await registerNode(db, describeNode(node)),
    about: { ...describeNode(node), lostAfterMs },
    lanes: more.lanes ?? [],
    pollMs: 100,
    pollJitter: 0.2,
    watcher: new Watcher(lostAfterMs),
    findReasonToStop: () =>
      more.isStuck?.() ? new ClusterError('CW_NODE_LOST', 'stuck') : undefined,
    on: {
      look: look => void looks.push(look),
      silent: () => undefined,
      newEra: () => undefined,
      disconnected: () => undefined,
      proven: more.proven ?? (() => undefined),
      lost: onLost,
      error: error => void errors.push(error),
    },
  })
  t.teardown(() => witness.end())
  return { witness, lost, errors, looks }
}

/** The pid of the session that proves the node. */
async function sessionOf(db: Database, node: string): Promise<number | undefined> {
  const { rows } = await db.query<{ pid: number }>({
    text: `
      select pid from pg_stat_activity
      where datname = current_database() and application_name = $1`,
    values: [`cluster-worker witness ${node}`],
  })
  return rows[0]?.pid
}

async function end(db: Database, pid: number | undefined): Promise<void> {
  await db.query({ text: 'select pg_terminate_backend($1)', values: [pid] })
}

t.test('proves an incarnation as long as it lives', async t => {
  const { db } = await openRooms(t)
  const { witness } = await beginWitness(t, db, 'one')
  t.same(await findSilent(db), [])
  await witness.end()
  await until(async () => (await sessionOf(db, 'one')) === undefined)
  t.match(await findSilent(db), [{ id: witness.incarnation, node: 'one' }])
})

t.test(
  'a session that is ended is replaced under the same incarnation, and nothing is lost',
  async t => {
    const { db } = await openRooms(t)
    const lane = await addLane(db)
    const { witness, errors } = await beginWitness(t, db, 'one')
    const { incarnation } = witness
    for (let round = 0; round < 3; round++) {
      const pid = await sessionOf(db, 'one')
      await end(db, pid)
      await until(async () => ![undefined, pid].includes(await sessionOf(db, 'one')))
      await until(async () => (await findSilent(db)).length === 0)
      const [id] = await addRequests(db, { lane })
      const token = crypto.randomUUID()
      t.match(await claim(db, { incarnation, lanes: [lane], limit: 1, token }), [{ id }])
    }
    t.equal(witness.incarnation, incarnation)
    t.same(errors, [])
  },
)

t.test('does not need the pool, which may be exhausted', async t => {
  const { db: observer, url } = await openRooms(t)
  const db = new Database({
    connectionString: url,
    schema: observer.schema,
    applicationName: 'test',
    maxConnections: 1,
  })
  t.teardown(() => db.close())
  const { witness } = await beginWitness(t, db, 'one')
  const held = await db.acquire()
  const pid = await sessionOf(observer, 'one')
  await end(observer, pid)
  await until(async () => ![undefined, pid].includes(await sessionOf(observer, 'one')))
  await until(async () => (await findSilent(observer)).length === 0)
  held.release()
  t.ok(witness.incarnation)
})

t.test('learns that its incarnation was declared lost, with its session or without', async t => {
  const { db } = await openRooms(t)
  for (const keepsSession of [true, false]) {
    const { witness, lost } = await beginWitness(t, db, `keeps-${keepsSession}`)
    await declareLost(db, witness.incarnation, 'other')
    if (!keepsSession) await end(db, await sessionOf(db, `keeps-${keepsSession}`))
    t.match(await lost, { code: 'CW_NODE_LOST', message: /have declared this one lost/ })
  }
})

t.test('a node id belongs to one live server', async t => {
  const { db } = await openRooms(t)
  const first = await beginWitness(t, db, 'one')
  const taken = { code: 'CW_NODE_ID_TAKEN', field: 'nodeId', message: /'one'/ }
  await t.rejects(beginWitness(t, db, 'one'), taken)
  const { witness: other } = await beginWitness(t, db, 'two')
  t.not(other.incarnation, first.witness.incarnation)

  t.equal(await leave(db, first.witness.incarnation), true)
  await first.witness.end()
  await until(async () => (await sessionOf(db, 'one')) === undefined)
  const second = await beginWitness(t, db, 'one')
  t.ok(BigInt(second.witness.incarnation) > BigInt(first.witness.incarnation))
})

t.test('of 8 servers that begin with one node id at once, one is taken', async t => {
  const { db } = await openRooms(t)
  const begun = await Promise.allSettled(
    Array.from({ length: 8 }, () => beginWitness(t, db, 'same')),
  )
  t.equal(begun.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const one of begun)
    if (one.status === 'rejected') t.match(one.reason, { code: 'CW_NODE_ID_TAKEN' })
  const { rows } = await db.query({
    text: `select count(*)::integer as count from ${db.t.incarnation}`,
  })
  t.same(rows, [{ count: 1 }])
})

t.test('tells what there is to do', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const { witness, looks } = await beginWitness(t, db, 'one', { lanes: [lane] })
  await until(async () => looks.length > 0)
  t.match(looks[0], { cancels: [], isQueued: false, dueInMs: null })
  await addRequests(db, { lane, dueInSeconds: 1000 })
  await until(async () => typeof looks.at(-1)?.dueInMs === 'number')
  t.ok(Number(looks.at(-1)?.dueInMs) > 900_000)
  const [id] = await addRequests(db, { lane })
  await until(async () => looks.at(-1)?.isQueued === true)
  const { incarnation } = witness
  await claim(db, { incarnation, lanes: [lane], limit: 1, token: crypto.randomUUID() })
  await db.query({ text: `select ${db.t.cancel}($1)`, values: [id] })
  await until(async () => looks.at(-1)?.cancels.length === 1)
  t.match(looks.at(-1), { cancels: [id], isQueued: false })
})

t.test('a queue that cannot be looked at in time does not keep it from the proof', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const { witness, looks, errors } = await beginWitness(t, db, 'one', { lanes: [lane] })
  const session = await connect()
  await session.query('begin')
  await session.query(`lock table ${db.t.queue}`)
  await until(async () => errors.length > 0)
  const from = looks.length
  // As many pulses as would take longer than the server may go on without proof.
  await until(async () => looks.length > from + lostAfterMs / 100)
  t.match(looks.at(-1), { isQueued: true, dueInMs: 0 }, 'whoever needs to know must try')
  t.match(errors, [{ code: '57014' }])
  t.same(await findSilent(db), [])
  t.ok(witness.incarnation)
})

t.test('a proof is as old as its question, however long the answer takes', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const holds: number[] = []
  const { looks, errors } = await beginWitness(t, db, 'one', {
    lanes: [lane],
    proven: forMs => void holds.push(forMs),
  })
  const session = await connect()
  await session.query('begin')
  await session.query(`lock table ${db.t.queue}`)
  // The look is given up when PostgreSQL has waited for so long; the proof that comes with the next one is as old.
  await until(async () => errors.length > 0)
  const from = looks.length
  await until(async () => looks.length > from + 1)
  const { trustMs, statementMs } = limitsOf({ lostAfterMs, outageGraceMs: 0 })
  t.ok(Math.min(...holds) <= trustMs - statementMs)
})

t.test('PostgreSQL itself ends the session of a server that falls silent', async t => {
  const { db } = await openRooms(t)
  const limits = limitsOf({ lostAfterMs: 500, outageGraceMs: 0 })
  const connect = (config: ClientConfig) => db.connectAlone(config)
  const { session } = await openSession(connect, db.t, 'one', limits, 'on')
  t.teardown(() => session.end())
  const [error] = (await once(session, 'error')) as [unknown]
  t.match(error, { code: '57P05' })
})

t.test('so it does whatever options the database URL has', async t => {
  const { url } = await openRooms(t)
  const own = new URLSearchParams({ options: '-c work_mem=8MB' })
  const db = openDatabase(t, `${url}${url.includes('?') ? '&' : '?'}${own.toString()}`)
  const limits = limitsOf({ lostAfterMs: 500, outageGraceMs: 0 })
  const connect = (config: ClientConfig) => db.connectAlone(config)
  const { session } = await openSession(connect, db.t, 'one', limits, 'on')
  t.teardown(() => session.end())
  const { rows } = await session.query('show work_mem')
  t.same(rows, [{ work_mem: '8MB' }])
  const [error] = (await once(session, 'error')) as [unknown]
  t.match(error, { code: '57P05' })
})

t.test('stops when it may not go on, whatever the database says', async t => {
  const { db } = await openRooms(t)
  const state = { isStuck: false }
  const { lost } = await beginWitness(t, db, 'one', { isStuck: () => state.isStuck })
  state.isStuck = true
  t.match(await lost, { message: 'stuck' })
})
