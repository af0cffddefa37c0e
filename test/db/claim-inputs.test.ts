import { randomUUID } from 'node:crypto'
import { Socket } from 'node:net'
import { Pool } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { claim, readBackClaim } from '../../lib/db/claim.ts'
import { Database } from '../../lib/db/database.ts'
import { addLane, addRequests, addServer, openRooms, roomsOf } from '../support/rows.ts'
import { until } from '../support/until.ts'

const input = { text: 'x'.repeat(1_000_000) }

/** Requests whose inputs are in the record only. */
async function openLarge(t: Test, { count }: { count: number }) {
  const rooms = await openRooms(t)
  const lane = await addLane(rooms.db)
  const incarnation = await addServer(rooms.db)
  const ids = await addRequests(rooms.db, { lane, count, input })
  await rooms.db.query({ text: `update ${rooms.db.t.queue} set input = null` })
  const options = { incarnation, lanes: [lane], limit: 100, token: randomUUID() }
  return { ...rooms, lane, incarnation, ids, options }
}

t.test('a claim is done before anybody reads what it took', async t => {
  const { db, url, ids, options } = await openLarge(t, { count: 30 })
  const socket = new Socket()
  const pool = new Pool({ connectionString: url, max: 1, stream: () => socket })
  t.teardown(() => pool.end())
  const names = { schema: db.schema, applicationName: 'test', maxConnections: 1 }
  const deaf = new Database({ pool, ...names })
  await deaf.query({ text: 'select' })

  socket.pause()
  const claiming = claim(deaf, options)
  await until(async () => (await roomsOf(db))['running']?.length === ids.length)
  socket.resume()
  t.same(
    await claiming,
    ids.map(id => ({ id, lane: options.lanes[0], rank: 0, input })),
  )
})

t.test('a claim whose inputs cannot be read fails, and is read back', async t => {
  const { db, lane, incarnation, ids, options } = await openLarge(t, { count: 2 })
  const hidden = `"${db.schema}".hidden`
  await db.query({ text: `alter table ${db.t.request} rename to hidden` })
  await t.rejects(claim(db, options), { code: 'CW_NOT_MIGRATED' })
  t.match(await roomsOf(db), { queue: [], running: ids })
  await db.query({ text: `alter table ${hidden} rename to request` })
  t.same(
    await readBackClaim(db, incarnation, options.token),
    ids.map(id => ({ id, lane, rank: 0, input })),
  )
})

t.test('small, large and null inputs reach their requests in one claim', async t => {
  const { db, lane, ids, options } = await openLarge(t, { count: 1 })
  const [none] = await addRequests(db, { lane, input: null })
  const [small] = await addRequests(db, { lane, input: { a: 1 } })
  t.same(await claim(db, options), [
    { id: ids[0], lane, rank: 0, input },
    { id: none, lane, rank: 0, input: null },
    { id: small, lane, rank: 0, input: { a: 1 } },
  ])
})
