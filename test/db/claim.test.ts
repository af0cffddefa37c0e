import { randomUUID } from 'node:crypto'
import t from 'tap'
import { claim, readBackClaim, type Claimed } from '../../lib/db/claim.ts'
import type { Database } from '../../lib/db/database.ts'
import { addLane, addRequests, addServer, openRooms, roomsOf } from '../support/rows.ts'

const claimers = 32

function take(db: Database, incarnation: string, lanes: number[], limit: number) {
  return claim(db, { incarnation, lanes, limit, token: randomUUID() })
}

t.test('one row, 32 claimers: one of them gets it', async t => {
  const { db } = await openRooms(t, { connections: claimers })
  const lane = await addLane(db)
  const servers = await Promise.all(Array.from({ length: claimers }, () => addServer(db)))
  for (let round = 0; round < 20; round++) {
    const [id] = await addRequests(db, { lane })
    const answers = await Promise.all(servers.map(server => take(db, server, [lane], 1)))
    t.same(
      answers.flat().map(claimed => claimed.id),
      [id],
    )
  }
  const { queue, running } = await roomsOf(db)
  t.equal(queue?.length, 0)
  t.equal(running?.length, 20)
})

t.test('1,000 rows, 32 claimers: each row once, none lost, no claim above its limit', async t => {
  const { db } = await openRooms(t, { connections: claimers })
  const lanes = [await addLane(db, 'a'), await addLane(db, 'b'), await addLane(db, 'c')]
  const ids: string[] = []
  for (const lane of lanes)
    for (const priority of [0, 5])
      ids.push(...(await addRequests(db, { lane, priority, count: lane === lanes[0] ? 200 : 150 })))
  t.equal(ids.length, 1000)

  const claimed: string[] = []
  await Promise.all(
    Array.from({ length: claimers }, async (_, index) => {
      const server = await addServer(db)
      const limit = 1 + (index % 13)
      while (claimed.length < ids.length) {
        const some = await take(db, server, lanes, limit)
        if (some.length > limit) t.fail(`a claim of ${limit} took ${some.length}`)
        claimed.push(...some.map(({ id }) => id))
      }
    }),
  )
  t.same(claimed.toSorted(byNumber), ids.toSorted(byNumber))
  const { queue, running } = await roomsOf(db)
  t.same(queue, [])
  t.same(running?.toSorted(byNumber), ids.toSorted(byNumber))
})

t.test('takes the highest priority first, then the smallest id, over all its lanes', async t => {
  const { db } = await openRooms(t)
  const [a, b] = [await addLane(db, 'a'), await addLane(db, 'b')]
  const server = await addServer(db)
  const low = await addRequests(db, { lane: a, count: 2, priority: -3 })
  const plain = await addRequests(db, { lane: b, count: 2 })
  const more = await addRequests(db, { lane: a, count: 1 })
  const high = await addRequests(db, { lane: b, count: 1, priority: 32_767 })

  const order: string[] = []
  for (let claimed: Claimed[]; (claimed = await take(db, server, [a, b], 2)).length > 0;)
    order.push(...claimed.map(({ id }) => id))
  t.same(order, [...high, ...plain, ...more, ...low])
})

t.test('takes what is next over many lanes, also when one lane has most of it', async t => {
  const { db } = await openRooms(t)
  const server = await addServer(db)
  const lanes: number[] = []
  for (let index = 0; index < 20; index++) lanes.push(await addLane(db, `lane-${index}`))
  const ids = await addRequests(db, { lane: lanes[7] as number, count: 30 })
  for (const lane of lanes) ids.push(...(await addRequests(db, { lane, count: 3 })))
  for (let from = 0; from < ids.length; from += 25)
    t.same(idsOf(await take(db, server, lanes, 25)), ids.slice(from, from + 25))
})

t.test('takes from the given lanes only', async t => {
  const { db } = await openRooms(t)
  const [mine, foreign] = [await addLane(db, 'mine'), await addLane(db, 'foreign')]
  const server = await addServer(db)
  const [wanted] = await addRequests(db, { lane: mine })
  const others = await addRequests(db, { lane: foreign, count: 3, priority: 9 })
  const claimed = await take(db, server, [mine], 10)
  t.match(claimed, [{ id: wanted, lane: mine, input: {} }])
  t.same(await take(db, server, [], 10), [])
  t.same((await roomsOf(db))['queue'], others)
})

t.test('an input that is not in the queue comes from the record', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const input = { text: 'x'.repeat(10_000) }
  await addRequests(db, { lane, input })
  await db.query({ text: `update ${db.t.queue} set input = null` })
  const token = randomUUID()
  const claimed = await claim(db, { incarnation: server, lanes: [lane], limit: 1, token })
  t.same(claimed[0]?.input, input)
  t.same(await readBackClaim(db, server, token), claimed)
})

t.test('JSON null is an input like any other', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  await addRequests(db, { lane, input: null })
  t.match(await take(db, server, [lane], 1), [{ input: null }])
})

t.test('rows that somebody else has locked hold nothing else up', async t => {
  const { db, connect } = await openRooms(t)
  const [a, b] = [await addLane(db, 'a'), await addLane(db, 'b')]
  const server = await addServer(db)
  const [locked] = await addRequests(db, { lane: a, priority: 9 })
  const [free] = await addRequests(db, { lane: b })
  const other = await connect()
  await other.query('begin')
  await other.query(`select ${db.t.cancel}($1)`, [locked])
  t.match(await take(db, server, [a, b], 1), [{ id: free }], 'the request of another lane')
  await other.query('rollback')
  t.match(await take(db, server, [a, b], 1), [{ id: locked }])
})

t.test('reads back what a token took, and nothing of other tokens or servers', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const [server, other] = [await addServer(db), await addServer(db)]
  await addRequests(db, { lane, count: 5 })
  const token = randomUUID()
  const claimed = await claim(db, { incarnation: server, lanes: [lane], limit: 2, token })
  await take(db, server, [lane], 2)
  t.equal(claimed.length, 2)
  t.same(await readBackClaim(db, server, token), claimed)
  t.same(await readBackClaim(db, other, token), [])
  t.same(await readBackClaim(db, server, randomUUID()), [])
})

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b)
}

t.test('each lane begins behind a place of its own; what is before it stays', async t => {
  const { db } = await openRooms(t)
  const [a, b] = [await addLane(db, 'a'), await addLane(db, 'b')]
  const server = await addServer(db)
  const urgent = await addRequests(db, { lane: a, priority: 5, count: 2 })
  const usual = await addRequests(db, { lane: a, count: 3 })
  const other = await addRequests(db, { lane: b, count: 1 })
  const after = new Map([[a, { rank: 0, id: usual[0] ?? '' }]])
  const options = { incarnation: server, lanes: [a, b], limit: 10 }
  const behind = await claim(db, { ...options, token: randomUUID(), after })
  t.same(idsOf(behind), [...usual.slice(1), ...other])
  t.same(
    behind.map(({ rank }) => rank),
    [0, 0, 0],
  )
  const rest = await claim(db, { ...options, token: randomUUID() })
  t.same(idsOf(rest), [...urgent, ...usual.slice(0, 1)])
  t.same(
    rest.map(({ rank }) => rank),
    [-5, -5, 0],
  )
})

t.test('the highest and the lowest priority are claimed from the beginning', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const server = await addServer(db)
  const [low] = await addRequests(db, { lane, priority: -32_768 })
  const [high] = await addRequests(db, { lane, priority: 32_767 })
  t.same(
    (await take(db, server, [lane], 10)).map(({ id }) => id),
    [high, low],
  )
})

function idsOf(claimed: readonly Claimed[]): string[] {
  return claimed.map(({ id }) => id)
}
