import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import t, { type Test } from 'tap'
import { claim } from '../../lib/db/claim.ts'
import { Database } from '../../lib/db/database.ts'
import { finish } from '../../lib/db/finish.ts'
import { promote } from '../../lib/db/promote.ts'
import { addLane, addRequests, addServer, openRooms, success } from '../support/rows.ts'

const many = 20_000

/** What PostgreSQL has read of a table since its session began. */
interface Reads {
  /** Rows of a whole table, one after the other. */
  readonly inSequence: number
  /** Entries of its indexes. */
  readonly byIndex: number
}

/** A session of its own, whose plans stay, and what it reads. */
async function openSession(test: Test, url: string, schema: string) {
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  test.teardown(() => pool.end())
  const db = new Database({ pool, schema, applicationName: 'test', maxConnections: 1 })
  const readsOf = async (table: string): Promise<Reads> => {
    await pool.query('select pg_stat_force_next_flush()')
    const { rows } = await pool.query<Reads>(
      `select t.seq_tup_read::float8 as "inSequence", sum(i.idx_tup_read)::float8 as "byIndex"
      from pg_stat_all_tables as t join pg_stat_all_indexes as i using (relid)
      where relid = $1::regclass group by t.seq_tup_read`,
      [table],
    )
    return rows[0] as Reads
  }
  return { db, readsOf }
}

for (const kinds of [1, 3])
  t.test(
    `a session that found an empty queue of ${kinds} lanes reads no more of a long one`,
    async t => {
      const { db: rooms, url } = await openRooms(t, { connections: 1 })
      const { db, readsOf } = await openSession(t, url, rooms.schema)
      const lanes = await Promise.all(
        Array.from({ length: kinds }, (_, n) => addLane(rooms, `${n}`)),
      )
      const incarnation = await addServer(rooms)
      await rooms.query({ text: `vacuum (analyze) ${rooms.t.queue}, ${rooms.t.running}` })
      const turn = async (): Promise<number> => {
        const token = randomUUID()
        const claimed = await claim(db, { incarnation, lanes, limit: 10, token })
        if (claimed.length > 0)
          await finish(
            db,
            incarnation,
            claimed.map(({ id }) => success({ id, token })),
          )
        return claimed.length
      }
      // More than PostgreSQL wants to see before it plans a statement once for all.
      for (let n = 0; n < 10; n++) await turn()
      for (const lane of lanes) await addRequests(rooms, { lane, count: 10 })
      for (let n = 0; n < 10; n++) await turn()
      for (const lane of lanes) await addRequests(rooms, { lane, count: many })
      // Others run, too.
      await rooms.query({
        text: `insert into ${rooms.t.running} (id, incarnation, token) select -n, 0, gen_random_uuid() from generate_series(1, ${many}) as n`,
      })
      await rooms.query({ text: 'select pg_stat_force_next_flush()' })
      const before = {
        queue: await readsOf(rooms.t.queue),
        running: await readsOf(rooms.t.running),
      }
      const turns = 20
      for (let n = 0; n < turns; n++) t.equal(await turn(), 10)
      for (const table of ['queue', 'running'] as const) {
        const { inSequence, byIndex } = await readsOf(rooms.t[table])
        t.equal(inSequence, before[table].inSequence, `${table} is not read as a whole`)
        const read = (byIndex - before[table].byIndex) / turns
        t.ok(read > 0 && read < 500, `${read} entries of the indexes of ${table} for ten requests`)
      }
    },
  )

t.test('a new session reads no more of a long queue that was never analyzed', async t => {
  const { db: rooms, url } = await openRooms(t, { connections: 1 })
  const lanes = [await addLane(rooms)]
  const incarnation = await addServer(rooms)
  await addRequests(rooms, { lane: lanes[0] as number, count: many })
  await rooms.query({ text: 'select pg_stat_force_next_flush()' })
  const { db, readsOf } = await openSession(t, url, rooms.schema)
  const before = await readsOf(rooms.t.queue)
  for (let n = 0; n < 10; n++) {
    const claimed = await claim(db, { incarnation, lanes, limit: 1000, token: randomUUID() })
    t.equal(claimed.length, 1000)
  }
  const { inSequence, byIndex } = await readsOf(rooms.t.queue)
  t.equal(inSequence, before.inSequence)
  // What was deleted just now is walked over.
  t.ok(byIndex - before.byIndex < 60_000, `${byIndex - before.byIndex} entries for 10,000 requests`)
})

t.test(
  'a promotion reads what is due and what comes next, and nothing else that is scheduled',
  async t => {
    const { db: rooms, url } = await openRooms(t, { connections: 1 })
    const lane = await addLane(rooms)
    const { db, readsOf } = await openSession(t, url, rooms.schema)
    for (let n = 0; n < 10; n++) t.match(await promote(db), { moved: 0, nextInMs: null })
    await addRequests(rooms, { lane, count: many, dueInSeconds: 3600 })
    await addRequests(rooms, { lane, count: 50, dueInSeconds: -1 })
    await rooms.query({ text: 'select pg_stat_force_next_flush()' })
    const before = await readsOf(rooms.t.scheduled)
    t.match(await promote(db), { moved: 50 })
    for (let n = 0; n < 10; n++) t.match(await promote(db), { moved: 0 })
    const { inSequence, byIndex } = await readsOf(rooms.t.scheduled)
    t.equal(inSequence, before.inSequence)
    t.ok(byIndex - before.byIndex < 1000, `${byIndex - before.byIndex} entries`)
  },
)
