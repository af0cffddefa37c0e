import type { Client } from 'pg'
import t from 'tap'
import { checkFilter } from '../../lib/query.ts'
import { getRequest, listRequests } from '../../lib/db/status.ts'
import { addLane, openRooms, roomsOf } from '../support/rows.ts'

async function openFunction(t: Parameters<typeof openRooms>[0]) {
  const { db, connect } = await openRooms(t)
  await addLane(db)
  const session = await connect()
  return { db, session, enqueue: (...args: unknown[]) => enqueue(session, db.schema, args) }
}

/** The function as an application of any language calls it: with text, cast to its parameters' types. */
async function enqueue(session: Client, schema: string, args: unknown[]): Promise<string> {
  const types = ['text', 'jsonb', 'jsonb']
  const values = args.map((arg, index) =>
    index === 0 || arg === null || typeof arg === 'string' ? arg : JSON.stringify(arg),
  )
  const list = args.map((_, index) => `$${index + 1}::${types[index]}`).join(', ')
  const { rows } = await session.query(`select "${schema}".enqueue(${list}) as id`, values)
  return rows[0].id
}

t.test('takes a process alone, and gives the id', async t => {
  const { db, enqueue } = await openFunction(t)
  const id = await enqueue('work')
  t.match(await getRequest(db, id), {
    id,
    process: 'work',
    state: 'queued',
    priority: 0,
    input: {},
    runAt: null,
    idempotencyKey: null,
  })
})

t.test('takes every option', async t => {
  const { db, enqueue } = await openFunction(t)
  const options = { priority: -32_768, runAt: '2999-01-01T00:00:00Z', idempotencyKey: 'k' }
  const id = await enqueue('work', { a: [1, null, 'x'] }, options)
  t.match(await getRequest(db, id), {
    state: 'scheduled',
    priority: -32_768,
    idempotencyKey: 'k',
    runAt: new Date('2999-01-01'),
    input: { a: [1, null, 'x'] },
  })
  t.equal(await enqueue('work', { a: [1, null, 'x'] }, options), id)
  t.equal((await listRequests(db, checkFilter({}))).length, 1)
})

t.test('an option that is null counts as not given, and so do null options', async t => {
  const { db, enqueue } = await openFunction(t)
  const nothing = { priority: null, runAt: null, idempotencyKey: null, allowUnknown: null }
  for (const options of [nothing, null])
    t.match(await getRequest(db, await enqueue('work', {}, options)), {
      state: 'queued',
      priority: 0,
      runAt: null,
      idempotencyKey: null,
    })
})

t.test('a moment that has passed is at once', async t => {
  const { db, enqueue } = await openFunction(t)
  const id = await enqueue('work', {}, { runAt: '1999-12-31 23:59:59+01' })
  t.match(await getRequest(db, id), { state: 'queued', runAt: new Date('1999-12-31T22:59:59Z') })
})

t.test('an unknown process is refused, unless it is allowed', async t => {
  const { db, enqueue } = await openFunction(t)
  await t.rejects(enqueue('other'), { code: 'CW001', detail: 'other' })
  await t.rejects(enqueue('other', {}, { allowUnknown: false }), { code: 'CW001' })
  t.match(await roomsOf(db), { queue: [] })
  const id = await enqueue('other', {}, { allowUnknown: true })
  t.match(await getRequest(db, id), { process: 'other', state: 'queued' })
  await t.rejects(enqueue('other'), { code: 'CW001' }, 'still no server has published it')
})

t.test('a key that was used with another input is refused', async t => {
  const { enqueue } = await openFunction(t)
  await enqueue('work', { a: 1 }, { idempotencyKey: 'k' })
  await t.rejects(enqueue('work', { a: 2 }, { idempotencyKey: 'k' }), {
    code: 'CW002',
    detail: 'k',
    message: /'k' was used before for process 'work'/,
  })
})

t.test('what has a wrong type or value is refused by name, and nothing is stored', async t => {
  const { db, enqueue } = await openFunction(t)
  const wrong: [name: string, options: unknown][] = [
    ['prioritiy', { prioritiy: 1 }],
    ['priority', { priority: '5' }],
    ['priority', { priority: 'high' }],
    ['priority', { priority: 1.5 }],
    ['priority', { priority: 32_768 }],
    ['priority', { priority: -32_769 }],
    ['priority', { priority: [1] }],
    ['runAt', { runAt: 5 }],
    ['runAt', { runAt: true }],
    ['runAt', { runAt: 'someday' }],
    ['runAt', { runAt: '2030-13-01T00:00:00Z' }],
    ['runAt', { runAt: 'infinity' }],
    ['runAt', { runAt: '-infinity' }],
    ['idempotencyKey', { idempotencyKey: 5 }],
    ['idempotencyKey', { idempotencyKey: '' }],
    ['idempotencyKey', { idempotencyKey: 'x'.repeat(256) }],
    ['allowUnknown', { allowUnknown: 'true' }],
    ['allowUnknown', { allowUnknown: 1 }],
    ['options', []],
    ['options', 5],
    ['options', '"text"'],
  ]
  for (const [name, options] of wrong)
    await t.rejects(
      enqueue('work', {}, options),
      { code: 'CW003', detail: name },
      JSON.stringify(options).slice(0, 60),
    )
  t.match(await roomsOf(db), { queue: [], scheduled: [] })
})

t.test('process and input must not be null', async t => {
  const { enqueue } = await openFunction(t)
  await t.rejects(enqueue(null), { code: 'CW003', detail: 'process' })
  await t.rejects(enqueue('work', null), { code: 'CW003', detail: 'input' })
  await t.resolves(enqueue('work', 'null'), 'JSON null is a value')
})

t.test('needs no search path, and is not misled by one', async t => {
  const { db, session, enqueue } = await openFunction(t)
  await session.query('create schema trap')
  await session.query('create table trap.lane (process text, published boolean)')
  await session.query('set search_path = trap')
  const id = await enqueue('work')
  t.match(await getRequest(db, id), { process: 'work' })
})

t.test('the room is that of the transaction: undone with it, invisible until it ends', async t => {
  const { db, session, enqueue } = await openFunction(t)
  await session.query('begin')
  const undone = await enqueue('work')
  await session.query('rollback')
  await session.query('begin')
  const id = await enqueue('work')
  t.match(await roomsOf(db), { queue: [] })
  await session.query('commit')
  t.match(await roomsOf(db), { queue: [id] })
  t.equal(await getRequest(db, undone), undefined)
})
