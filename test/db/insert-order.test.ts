import { randomUUID } from 'node:crypto'
import t from 'tap'
import { claim } from '../../lib/db/claim.ts'
import type { Database } from '../../lib/db/database.ts'
import { enqueueBatch } from '../../lib/db/requests.ts'
import { addLane, addRequests, addServer, openRooms } from '../support/rows.ts'

// An index that grows at its end has full pages. One whose entries come in any order has half empty ones.

/** How many rows were written after one with a higher id. */
async function countLate(db: Database, table: string): Promise<number> {
  const { rows } = await db.query<{ late: number }>({
    text: `
      select count(*)::integer as late
      from (select id, lag(id) over (order by ctid) as before from ${table}) as written where id < before`,
  })
  return rows[0]?.late ?? 0
}

t.test('requests are written in the order of their ids, whatever the plan', async t => {
  const { db } = await openRooms(t, { connections: 1 })
  await addLane(db)
  const request = { process: 'work', input: '{}', priority: 0, runAt: null, idempotencyKey: null }
  const batch = Array.from({ length: 300 }, () => request)
  // After some calls PostgreSQL plans for any of them.
  for (let call = 0; call < 12; call++)
    await enqueueBatch(db, batch, { allowUnknown: false, transaction: undefined })
  t.equal(await countLate(db, db.t.request), 0)
  t.equal(await countLate(db, db.t.queue), 0)
})

t.test('runs are written in the order of their ids, wherever their requests stood', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const incarnation = await addServer(db)
  await addRequests(db, { lane, count: 300 })
  await db.query({
    text: `
      create temp table turned as select * from ${db.t.queue};
      delete from ${db.t.queue};
      insert into ${db.t.queue} select * from turned order by id desc`,
  })
  t.equal(await countLate(db, db.t.queue), 299)
  const claimed = await claim(db, { incarnation, lanes: [lane], limit: 300, token: randomUUID() })
  t.equal(claimed.length, 300)
  t.equal(await countLate(db, db.t.running), 0)
})
