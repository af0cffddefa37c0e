import t from 'tap'
import { RoomVacuum } from '../../lib/loop/room-vacuum.ts'
import { vacuumRooms } from '../../lib/db/vacuum.ts'
import { addLane, addRequests, openDatabase, openRooms } from '../support/rows.ts'
import { until } from '../support/until.ts'

function openVacuum() {
  const state = { now: 0, vacuums: 0, errors: 0 }
  let underWay = Promise.withResolvers<number | undefined>()
  const vacuum = new RoomVacuum({
    clock: () => state.now,
    vacuum: () => {
      state.vacuums++
      underWay = Promise.withResolvers()
      return underWay.promise
    },
    onError: () => state.errors++,
  })
  const end = (how: number | undefined | Error): void =>
    how instanceof Error ? underWay.reject(how) : underWay.resolve(how)
  return { state, vacuum, end }
}

t.test(
  'it comes when many have passed, one at a time, and more rarely the larger the rooms are',
  async t => {
    const { state, vacuum, end } = openVacuum()
    vacuum.note(1999)
    t.equal(state.vacuums, 0)
    vacuum.note(1)
    t.equal(state.vacuums, 1)
    vacuum.note(15_000)
    t.equal(state.vacuums, 1, 'one is under way')
    end(100_000)
    await new Promise(setImmediate)
    vacuum.note(4999)
    t.equal(state.vacuums, 1)
    vacuum.note(1)
    t.equal(state.vacuums, 2, 'what passed meanwhile counts')
    end(500)
    await new Promise(setImmediate)
    vacuum.note(1999)
    t.equal(state.vacuums, 2)
    vacuum.note(1)
    t.equal(state.vacuums, 3)
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
  end(undefined)
  await new Promise(setImmediate)
  state.now = 119_999
  vacuum.note(10_000)
  t.equal(state.vacuums, 2, 'nor where it is not allowed')
  t.equal(state.errors, 1)
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
  const capacity = (await vacuumRooms(db)) ?? 0
  t.ok(capacity >= 500 && capacity <= 8000, `${capacity} rows`)
})

t.test('a role that may not does nothing, and PostgreSQL warns nobody', async t => {
  const { db, url } = await openRooms(t)
  const role = `vacuum_${process.pid}`
  await db.query({ text: `create role ${role} login` })
  await db.query({ text: `grant usage on schema ${db.schema} to ${role}` })
  const other = openDatabase(t, url.replace(/\/\/[^@/]*@/, `//${role}@`))
  t.equal(await vacuumRooms(db), 0)
  t.equal(await vacuumRooms(other), undefined)
  await db.query({ text: `grant maintain on ${db.t.queue}, ${db.t.running} to ${role}` })
  t.equal(await vacuumRooms(other), 0)
  await db.query({ text: `drop owned by ${role}; drop role ${role}` })
})
