import t, { type Test } from 'tap'
import type { LogPiece } from '../../lib/base/record.ts'
import type { Database } from '../../lib/db/database.ts'
import { appendLog, readLog } from '../../lib/db/logs.ts'
import { openRunWriters } from '../../lib/loop/run-writers.ts'
import { startProxy } from '../support/proxy.ts'
import { openDatabase, openRooms } from '../support/rows.ts'
import { until, untilBlocked } from '../support/until.ts'

const requestId = '7'

/** More than half of what one statement takes. */
const large = 600 * 1024

function makePiece(seq: number, text = `piece ${seq}`): LogPiece {
  return { requestId, seq, step: null, stream: 'stdout', parts: [text], size: text.length }
}

function makeLarge(seq: number): LogPiece {
  return makePiece(seq, String(seq).repeat(large))
}

async function readSeqs(db: Database): Promise<number[]> {
  return (await readLog(db, requestId, 0, 1000)).map(({ seq }) => seq)
}

/** Resolves when so many statements have written into the log, and wait for their turn. */
function untilWriting(db: Database, count: number): Promise<void> {
  return until(async () => {
    const { rows } = await db.query<{ count: number }>({
      text: `
        select count(*)::integer as count from pg_locks join pg_stat_activity using (pid)
        where relation = '${db.schema}.log'::regclass and mode = 'RowExclusiveLock'
          and state = 'active' and wait_event = 'ClientRead'`,
    })
    return rows[0]?.count === count
  })
}

t.test('pieces of every size arrive as they are, whatever their parts', async t => {
  const { db } = await openRooms(t)
  const parts = [
    'é"\\{}',
    Buffer.from('NULL,'),
    Buffer.alloc(300_000, 'x'),
    '',
    Buffer.alloc(40_000, 'é'),
    '\n',
  ]
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const step = `a "step", {with} \\ 'quotes'`
  await appendLog(db, [
    { requestId, seq: 1, step, stream: 'stderr', parts, size },
    { requestId, seq: 2, step: null, stream: 'system', parts: [''], size: 0 },
    makePiece(3),
  ])
  await appendLog(db, [makePiece(3, 'another text'), makePiece(4)])
  t.match(await readLog(db, requestId, 0, 10), [
    { seq: 1, step, stream: 'stderr', text: parts.join('') },
    { seq: 2, step: null, stream: 'system', text: '' },
    { seq: 3, text: 'piece 3' },
    { seq: 4, text: 'piece 4' },
  ])
})

t.test('a statement is done before its turn, and counts when that comes', async t => {
  const { db } = await openRooms(t)
  const turn = Promise.withResolvers<void>()
  const second = appendLog(db, [makePiece(2)], turn.promise)
  await untilWriting(db, 1)
  t.same(await readSeqs(db), [])
  await appendLog(db, [makePiece(1)])
  t.same(await readSeqs(db), [1])
  turn.resolve()
  await second
  t.same(await readSeqs(db), [1, 2])
})

t.test('a statement whose turn never comes has not happened, and can be repeated', async t => {
  const { db } = await openRooms(t, { connections: 2 })
  const turn = Promise.withResolvers<void>()
  const second = appendLog(db, [makePiece(2)], turn.promise)
  await untilWriting(db, 1)
  turn.reject(new Error('never'))
  await t.rejects(second, { code: 'CW_CONNECTION' })
  await untilWriting(db, 0)
  t.same(await readSeqs(db), [])
  await appendLog(db, [makePiece(2)])
  t.same(await readSeqs(db), [2])
})

t.test('one that PostgreSQL refuses says so, and its connection is used again', async t => {
  const { db } = await openRooms(t, { connections: 1 })
  const askPid = async () => {
    const { rows } = await db.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
    return rows[0]?.pid
  }
  const pid = await askPid()
  const wrong = { ...makePiece(1), stream: 'nowhere' } as unknown as LogPiece
  await t.rejects(appendLog(db, [wrong]), { code: '23514' })
  await t.rejects(appendLog(db, [wrong], Promise.resolve()), { code: '23514' })
  t.equal(await askPid(), pid)
})

function openWriters(db: Database, signal = new AbortController().signal) {
  return openRunWriters({ db, incarnation: '1', signal, onFinished: () => undefined })
}

/** Lets two statements be under way, of which the first one waits until the session ends its transaction. */
async function holdFirst(t: Test) {
  const rooms = await openRooms(t)
  const { db, connect } = rooms
  const holder = await connect()
  await holder.query('begin')
  await holder.query(
    `insert into cluster_worker.log (request_id, seq, stream, text) values (${requestId}, 1, 'log', '')`,
  )
  const end = new AbortController()
  const writers = openWriters(db, end.signal)
  const adding = [1, 2, 3, 4].map(seq => writers.appendLog(makeLarge(seq)))
  await untilBlocked(db, 1)
  await untilWriting(db, 1)
  return { db, holder, end, adding }
}

t.test('of two statements at once, the second one waits for the first', async t => {
  const { db, holder, adding } = await holdFirst(t)
  t.same(await readSeqs(db), [])
  await holder.query('rollback')
  await Promise.all(adding)
  t.same(await readSeqs(db), [1, 2, 3, 4])
})

t.test('when the writer ends, the second one does not count without the first', async t => {
  const { db, holder, end, adding } = await holdFirst(t)
  end.abort(new Error('over'))
  for (const one of await Promise.allSettled(adding))
    t.match(one, { status: 'rejected', reason: { message: 'over' } })
  await untilWriting(db, 0)
  await holder.query('rollback')
  await untilBlocked(db, 0)
  t.notOk((await readSeqs(db)).some(seq => seq > 1))
})

for (const when of ['before', 'after'] as const) {
  t.test(
    `whoever follows a log sees no gap, also when a connection is cut ${when} PostgreSQL writes`,
    async t => {
      const { db: direct, url } = await openRooms(t)
      const proxy = await startProxy(t, url)
      const writers = openWriters(openDatabase(t, proxy.url))
      const count = 12
      const cut = proxy.cut('cluster_worker.append_log', when)
      const adding = Array.from({ length: count }, (_, at) => writers.appendLog(makeLarge(at + 1)))
      await until(async () => {
        const seqs = await readSeqs(direct)
        t.same(
          seqs,
          seqs.map((_, at) => at + 1),
        )
        return seqs.length === count
      })
      await Promise.all([cut, ...adding])
    },
  )
}

t.test('a pool of one connection writes on after its connection was cut', async t => {
  const { db: direct, url } = await openRooms(t)
  const proxy = await startProxy(t, url)
  const writers = openWriters(openDatabase(t, proxy.url, { connections: 1 }))
  const cut = proxy.cut('cluster_worker.append_log', 'before')
  await Promise.all([1, 2, 3, 4].map(seq => writers.appendLog(makeLarge(seq))))
  await cut
  t.same(await readSeqs(direct), [1, 2, 3, 4])
})
