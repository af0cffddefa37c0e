import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { beginIncarnation } from '../../lib/db/incarnations.ts'
import { tryLock, tryShareLockInTransaction } from '../../lib/db/locks.ts'
import { claimNode, registerNode } from '../../lib/db/node-identity.ts'
import { describeNode, openRooms } from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

const keep = async (): Promise<void> => undefined

async function openNodes(t: Test) {
  const rooms = await openRooms(t)
  const { db } = rooms
  const claim = (instance: string, take: boolean = false) =>
    claimNode(db, { node: 'a', instance }, { take, keep })
  const instanceOf = async (): Promise<string | null | undefined> => {
    const { rows } = await db.query<{ instance: string | null }>({
      text: `select instance from ${db.t.node} where id = 'a'`,
    })
    return rows[0]?.instance
  }
  return { ...rooms, claim, instanceOf }
}

const anothers = { code: 'CW_NODE_IDENTITY', field: 'nodeId' }

t.test('a node id belongs to the data folder that had it first', async t => {
  const { db, claim, instanceOf } = await openNodes(t)
  const [mine, other] = [randomUUID(), randomUUID()]
  const seq = await claim(mine)
  t.equal(await claim(mine), seq, 'as often as it likes')
  await t.rejects(claim(other), {
    ...anothers,
    message: /^the node id 'a' belongs to another data folder; give this server an id of its own/,
  })
  await beginIncarnation(db, db.t, { ...describeNode('a'), instance: mine, host: 'web-1' })
  await t.rejects(claim(other), {
    ...anothers,
    message: /last started on web-1 at \d{4}-\d\d-\d\d \d\d:\d\d UTC; .*--take-identity$/,
  })
  t.equal(await instanceOf(), mine)
})

t.test('a node id without a data folder goes to the next that asks', async t => {
  const { db, claim, instanceOf } = await openNodes(t)
  await db.query({ text: `insert into ${db.t.node} (id) values ('a')` })
  const mine = randomUUID()
  await claim(mine)
  t.equal(await instanceOf(), mine)
})

t.test('what the folder cannot keep, the database does not either', async t => {
  const { db, instanceOf } = await openNodes(t)
  const identity = { node: 'a', instance: randomUUID() }
  const full = new Error('disk full')
  await t.rejects(claimNode(db, identity, { take: false, keep: () => Promise.reject(full) }))
  t.equal(await instanceOf(), undefined)
})

t.test('it can be taken when its server is not alive, and only then', async t => {
  const { db, connect, claim, instanceOf } = await openNodes(t)
  const [old, next] = [randomUUID(), randomUUID()]
  const seq = await claim(old)
  const session = await connect()
  await tryLock(session, db.t, 'node', seq)
  await t.rejects(claim(next, true), { code: 'CW_NODE_ID_TAKEN', field: 'nodeId' })
  t.equal(await instanceOf(), old)
  await session.query('select pg_advisory_unlock_all()')
  t.equal(await claim(next, true), seq)
  t.equal(await instanceOf(), next)
  await t.rejects(claim(old), anothers, 'the server that it was taken from is refused now')
})

t.test('a server whose node id is taken while it starts begins no incarnation', async t => {
  const { db, connect, claim } = await openNodes(t)
  const about = describeNode('a')
  const session = await connect()
  const seq = await registerNode(db, about)
  await claim(randomUUID(), true)
  t.equal(await tryLock(session, db.t, 'node', seq), true)
  await t.rejects(beginIncarnation(session, db.t, about), anothers)
  const { rowCount } = await db.query({ text: `select from ${db.t.incarnation}` })
  t.equal(rowCount, 0)
})

t.test('a taking holds the identity lock until it is committed', async t => {
  const { db, connect, claim } = await openNodes(t)
  const seq = await claim(randomUUID())
  const session = await connect()
  const { promise: kept, resolve } = Promise.withResolvers<void>()
  const { promise: taking, resolve: isTaking } = Promise.withResolvers<void>()
  const taken = claimNode(
    db,
    { node: 'a', instance: randomUUID() },
    { take: true, keep: () => (isTaking(), kept) },
  )
  await taking
  t.equal(await tryLock(session, db.t, 'node', seq), false)
  resolve()
  await taken
  t.equal(await tryLock(session, db.t, 'node', seq), true)
})

t.test('an earlier taking whose lock goes a moment after its row is no live server', async t => {
  const { db, connect, claim } = await openNodes(t)
  const seq = await claim(randomUUID())
  const earlier = await connect()
  await earlier.query('begin')
  t.equal(await tryShareLockInTransaction(earlier, db.t, 'node', seq), true)
  t.equal(await claim(randomUUID(), true), seq)
})

t.test('of two that want it at once, the later one waits and is refused', async t => {
  for (const isKnown of [false, true]) {
    const { db, claim } = await openNodes(t)
    if (isKnown) await db.query({ text: `insert into ${db.t.node} (id) values ('a')` })
    const { promise: kept, resolve } = Promise.withResolvers<void>()
    const { promise: keeping, resolve: isKeeping } = Promise.withResolvers<void>()
    const first = claimNode(
      db,
      { node: 'a', instance: randomUUID() },
      { take: false, keep: () => (isKeeping(), kept) },
    )
    await keeping
    const second = t.rejects(claim(randomUUID()), anothers)
    await untilBlocked(db)
    resolve()
    await first
    await second
  }
})

t.test('of 20 at once, one has it', async t => {
  const { claim } = await openNodes(t)
  const claimed = await Promise.allSettled(Array.from({ length: 20 }, () => claim(randomUUID())))
  t.equal(claimed.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const one of claimed) if (one.status === 'rejected') t.match(one.reason, anothers)
})
