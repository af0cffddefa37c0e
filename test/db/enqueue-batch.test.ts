import t from 'tap'
import { claim } from '../../lib/db/claim.ts'
import type { Database } from '../../lib/db/database.ts'
import { enqueueBatch, type NewRequest } from '../../lib/db/requests.ts'
import { addLane, addServer, openRooms, roomsOf } from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

const plain = { process: 'work', input: '{}', priority: 0, runAt: null, idempotencyKey: null }

function enqueue(
  db: Database,
  requests: readonly Partial<NewRequest>[],
  options: Partial<Parameters<typeof enqueueBatch>[2]> = {},
) {
  return enqueueBatch(
    db,
    requests.map(request => ({ ...plain, ...request })),
    { allowUnknown: false, transaction: undefined, ...options },
  )
}

async function openWork(t: Parameters<typeof openRooms>[0]) {
  const rooms = await openRooms(t)
  return { ...rooms, lane: await addLane(rooms.db) }
}

t.test('answers in the order given, and nothing for nothing', async t => {
  const { db } = await openWork(t)
  const answers = await enqueue(db, [{ priority: 1 }, { priority: 3 }, { priority: 2 }])
  const { rows } = await db.query<{ id: string; priority: number }>({
    text: `select id, priority from ${db.t.queue} order by id`,
  })
  t.same(
    rows.map(({ priority }) => priority),
    [1, 3, 2],
  )
  t.same(
    answers,
    rows.map(({ id }) => ({ id, created: true })),
  )
  t.same(await enqueue(db, []), [])
})

t.test(
  'a large batch of many names keeps its order, and large inputs are in the record only',
  async t => {
    const { db } = await openWork(t)
    const names = Array.from({ length: 30 }, (_, index) => `name-${(index * 7) % 30}`)
    for (const name of names) await addLane(db, name)
    const requests = Array.from({ length: 2000 }, (_, n) => ({
      process: names[n % names.length] ?? '',
      input: n % 500 === 0 ? `{"n":${n},"text":"${'x'.repeat(4000)}"}` : `{"n":${n}}`,
      priority: n % 3,
    }))
    const answers = await enqueue(db, requests)
    const { rows } = await db.query<{ id: string; process: string; n: number; isSmall: boolean }>({
      text: `
      select r.id, l.process, (r.input ->> 'n')::integer as n, q.input is not null as "isSmall"
      from ${db.t.request} r join ${db.t.lane} l on l.id = r.lane
      join ${db.t.queue} q on q.id = r.id and q.lane = r.lane and q.priority = r.priority
        and (q.input is null or q.input = r.input)
      order by r.id`,
    })
    t.same(
      answers.map(({ id }) => id),
      rows.map(({ id }) => id),
    )
    t.same(
      rows.map(({ process, n, isSmall }) => ({ process, n, isSmall })),
      requests.map(({ process }, n) => ({ process, n, isSmall: n % 500 !== 0 })),
    )
  },
)

t.test('one unknown process refuses the whole batch', async t => {
  const { db } = await openWork(t)
  const requests = [{}, { process: 'unheard-of' }, {}]
  await t.rejects(enqueue(db, requests), {
    code: 'CW_UNKNOWN_PROCESS',
    field: 'process',
    message: /unheard-of/,
  })
  t.match(await roomsOf(db), { queue: [] })
  const answers = await enqueue(db, requests, { allowUnknown: true })
  t.equal(answers.length, 3)
  t.match(await roomsOf(db), { queue: answers.map(({ id }) => id) })
})

t.test('the same unknown processes in opposite order: no deadlock', async t => {
  const { db, connect } = await openWork(t)
  const names = ['p', 'q', 'r'].map(process => ({ process }))
  // Both meet in the middle, which somebody else holds, and then go on.
  const session = await connect()
  await session.query('begin')
  await enqueue(db, [{ process: 'q' }], { allowUnknown: true, transaction: session })
  const both = [names, names.toReversed()].map(some => enqueue(db, some, { allowUnknown: true }))
  await untilBlocked(db, 2)
  await session.query('rollback')
  t.equal((await Promise.all(both)).flat().length, 6)
  t.equal((await roomsOf(db))['queue']?.length, 6)
})

t.test('the same key and input give the first request again', async t => {
  const { db } = await openWork(t)
  await addLane(db, 'other')
  const [first] = await enqueue(db, [{ idempotencyKey: 'k', input: '{"a":1,"b":2}' }])
  t.equal(first?.created, true)
  const again = await enqueue(db, [
    { idempotencyKey: 'k', input: '{"b":2.0, "a":1}' },
    { idempotencyKey: 'k', process: 'other' },
    { input: '{"a":1}' },
  ])
  t.same(
    again.map(({ created }) => created),
    [false, true, true],
  )
  t.equal(again[0]?.id, first?.id)
  t.equal((await roomsOf(db))['queue']?.length, 3)
})

t.test('another input for a used key refuses the whole batch', async t => {
  const { db } = await openWork(t)
  await enqueue(db, [{ idempotencyKey: 'k' }])
  await t.rejects(enqueue(db, [{}, { idempotencyKey: 'k', input: '{"a":1}' }]), {
    code: 'CW_IDEMPOTENCY_CONFLICT',
    field: 'idempotencyKey',
  })
  t.equal((await roomsOf(db))['queue']?.length, 1)
})

t.test('a key twice in one batch is one request, or a conflict', async t => {
  const { db } = await openWork(t)
  const twice = await enqueue(db, [{ idempotencyKey: 'k' }, {}, { idempotencyKey: 'k' }])
  t.same(
    twice.map(({ created }) => created),
    [true, true, false],
  )
  t.equal(twice[2]?.id, twice[0]?.id)
  await t.rejects(
    enqueue(db, [{ idempotencyKey: 'c' }, { idempotencyKey: 'c', input: '{"a":1}' }]),
    { code: 'CW_IDEMPOTENCY_CONFLICT' },
  )
  t.equal((await roomsOf(db))['queue']?.length, 2)
})

t.test('a batch waits for the one that uses its keys, and finds its requests', async t => {
  const { db, connect } = await openWork(t)
  const keys = Array.from({ length: 50 }, (_, index) => ({ idempotencyKey: `k${index}` }))
  const session = await connect()
  await session.query('begin')
  const first = await enqueue(db, keys, { transaction: session })
  const reversed = enqueue(db, keys.toReversed())
  await untilBlocked(db)
  await session.query('commit')
  t.same(
    (await reversed).toReversed(),
    first.map(({ id }) => ({ id, created: false })),
  )
  t.equal((await roomsOf(db))['queue']?.length, 50)
})

t.test('the same keys in opposite order: no deadlock, one request each', async t => {
  const { db, connect } = await openWork(t)
  const keys = ['k1', 'k2', 'k3', 'k4', 'k5'].map(idempotencyKey => ({ idempotencyKey }))
  // Both meet in the middle, which somebody else holds, and then go on.
  const session = await connect()
  await session.query('begin')
  await enqueue(db, [{ idempotencyKey: 'k3' }], { transaction: session })
  const both = [keys, keys.toReversed()].map(some => enqueue(db, some))
  await untilBlocked(db, 2)
  await session.query('rollback')
  const answers = (await Promise.all(both)).flat()
  t.equal(answers.filter(({ created }) => created).length, 5)
  t.equal(new Set(answers.map(({ id }) => id)).size, 5)
})

t.test('a key is free again when the transaction that used it is undone', async t => {
  const { db, connect } = await openWork(t)
  const session = await connect()
  await session.query('begin')
  await enqueue(db, [{ idempotencyKey: 'k' }], { transaction: session })
  const second = enqueue(db, [{ idempotencyKey: 'k', input: '{"a":1}' }])
  await untilBlocked(db)
  await session.query('rollback')
  t.match(await second, [{ created: true }])
})

t.test('100,000 requests in one call', async t => {
  const { db } = await openWork(t)
  const requests = Array.from({ length: 100_000 }, (_, n) => ({ input: `{"n":${n}}` }))
  const answers = await enqueue(db, requests)
  t.equal(new Set(answers.map(({ id }) => id)).size, 100_000)
  const { rows } = await db.query({
    text: `select count(*)::integer as count, sum((input ->> 'n')::bigint)::text as sum from ${db.t.queue}`,
  })
  t.same(rows, [{ count: 100_000, sum: String((100_000 * 99_999) / 2) }])
})

t.test('the moment decides the room', async t => {
  const { db } = await openWork(t)
  const [past, future, none] = await enqueue(db, [
    { runAt: new Date('1970-01-01') },
    { runAt: new Date('9999-12-31') },
    {},
  ])
  t.match(await roomsOf(db), { queue: [past?.id, none?.id], scheduled: [future?.id] })
})

t.test('a large input reaches the claim whole', async t => {
  const { db, lane } = await openWork(t)
  const sizes = [3900, 4000, 4001, 8000, 1_000_000]
  for (const size of sizes)
    await enqueue(db, [{ input: JSON.stringify({ text: 'é'.repeat(size / 2) }) }])
  const incarnation = await addServer(db)
  const token = crypto.randomUUID()
  const claimed = await claim(db, { incarnation, lanes: [lane], limit: 10, token })
  t.same(
    claimed.map(({ input }) => input),
    sizes.map(size => ({ text: 'é'.repeat(size / 2) })),
  )
})

t.test('arrays that do not fit together, or have holes, are refused', async t => {
  const { db, connect } = await openWork(t)
  const session = await connect()
  const call = (processes: string, inputs: string, priorities = '{0}', runAts = '{NULL}') =>
    session.query(
      `select * from "${db.schema}".enqueue_batch($1, $2, $3, $4::timestamptz[], array[null])`,
      [processes, inputs, priorities, runAts],
    )
  await t.resolves(call('{work}', '{1}'))
  for (const args of [
    ['{NULL}', '{1}'],
    ['{work}', '{NULL}'],
    ['{work}', '{1,2}'],
    ['{work,work}', '{1}'],
    ['{work}', '{1}', '{NULL}'],
    ['{work}', '{1}', '{0}', '{infinity}'],
  ] as [string, string][])
    await t.rejects(call(...args), { code: 'CW003' }, args.join(' '))
  t.equal((await roomsOf(db))['queue']?.length, 1)
})
