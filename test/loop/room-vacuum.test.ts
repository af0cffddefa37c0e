import t from 'tap'
import { RoomVacuum } from '../../lib/loop/room-vacuum.ts'
import { vacuumRooms } from '../../lib/db/vacuum.ts'
import { addLane, addRequests, openRooms } from '../support/rows.ts'
import { until } from '../support/until.ts'

function openVacuum() {
  const state = { now: 0, vacuums: 0, errors: 0 }
  let underWay = Promise.withResolvers<void>()
  const vacuum = new RoomVacuum({
    clock: () => state.now,
    vacuum: () => {
      state.vacuums++
      underWay = Promise.withResolvers()
      return underWay.promise
    },
    onError: () => state.errors++,
  })
  const end = (error?: Error): void => (error ? underWay.reject(error) : underWay.resolve())
  return { state, vacuum, end }
}

t.test(
  'it comes when many have passed, one at a time, and takes a small part of the time',
  async t => {
    const { state, vacuum, end } = openVacuum()
    vacuum.note(9999)
    t.equal(state.vacuums, 0)
    vacuum.note(1)
    t.equal(state.vacuums, 1)
    vacuum.note(50_000)
    t.equal(state.vacuums, 1, 'one is under way')
    state.now = 10
    end()
    await new Promise(setImmediate)
    state.now = 499
    vacuum.note(1)
    t.equal(state.vacuums, 1)
    state.now = 500
    vacuum.note(1)
    t.equal(state.vacuums, 2, 'what passed meanwhile counts')
  },
)

t.test('after a failure it is left alone for a minute', async t => {
  const { state, vacuum, end } = openVacuum()
  vacuum.note(10_000)
  end(new Error('the connection is gone'))
  await new Promise(setImmediate)
  t.equal(state.errors, 1)
  state.now = 59_999
  vacuum.note(10_000)
  t.equal(state.vacuums, 1)
  state.now = 60_000
  vacuum.note(10_000)
  t.equal(state.vacuums, 2)
})

t.test('what has left the rooms takes no space', async t => {
  const { db } = await openRooms(t)
  const lane = await addLane(db)
  const size = async (): Promise<number> => {
    const { rows } = await db.query<{ size: number }>({
      text: `select pg_total_relation_size('${db.t.queue}')::integer as size`,
    })
    return rows[0]?.size ?? 0
  }
  const dead = async (): Promise<number> => {
    const { rows } = await db.query<{ dead: number }>({
      text: `select n_dead_tup::integer as dead from pg_stat_user_tables where relid = '${db.t.queue}'::regclass`,
    })
    return rows[0]?.dead ?? 0
  }
  await addRequests(db, { lane, count: 2000 })
  const full = await size()
  for (let round = 0; round < 5; round++) {
    await db.query({ text: `delete from ${db.t.queue}` })
    // Autovacuum may have it, which then does the same.
    await until(async () => vacuumRooms(db).then(async () => (await dead()) === 0))
    await addRequests(db, { lane, count: 2000 })
  }
  t.ok((await size()) <= 2 * full)
})
