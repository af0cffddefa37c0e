import t from 'tap'
import { checkTransactions, checkWaiting } from '../../lib/db/doctor/check-activity.ts'
import { checkCapacity } from '../../lib/db/doctor/check-capacity.ts'
import { checkClock } from '../../lib/db/doctor/check-clock.ts'
import { checkLocks } from '../../lib/db/doctor/check-locks.ts'
import { checkSchema } from '../../lib/db/doctor/check-schema.ts'
import { tryLock } from '../../lib/db/locks.ts'
import { createDatabase } from '../support/database.ts'
import { addServer, openDatabase, openRooms } from '../support/rows.ts'
import { until } from '../support/until.ts'
import { found, look, lookInto, names } from './look.ts'

t.setTimeout(180_000)

t.test('a transaction that stays open', async t => {
  const { db, connect } = await openRooms(t)
  const forgotten = await connect()
  const old = (): Promise<string[]> =>
    lookInto(db, session => checkTransactions(session, 0)).then(names)
  t.same(await old(), [])
  await forgotten.query('begin')
  await forgotten.query('select 1')
  const findings = await lookInto(db, session => checkTransactions(session, 0))
  found(t, findings, ['warning long-transaction'])
  t.match(findings[0]?.items, [/^pid \d+ \(.*\), idle in transaction for 0 s: select 1$/])
  t.same(await lookInto(db, session => checkTransactions(session)), [], 'a minute is allowed')
  const ended = new Promise(resolve => forgotten.once('end', resolve))
  await db.query({ text: findings[0]?.command ?? '' })
  await ended
  t.same(await old(), [])
})

t.test('a session that waits for a lock of ours', async t => {
  const { db, connect } = await openRooms(t)
  const [holder, waiter] = [await connect(), await connect()]
  await holder.query(`begin; lock ${db.t.node} in exclusive mode`)
  t.same(await look(db, checkWaiting), [])
  const waiting = waiter.query(`delete from ${db.t.node}`)
  await until(async () => (await look(db, checkWaiting)).length > 0)
  const findings = await look(db, checkWaiting)
  found(t, findings, ['warning waiting-for-lock'])
  const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid')
  t.match(findings[0]?.items?.[0], `waits for the table node behind pid ${rows[0]?.pid}`)
  t.equal(findings[0]?.command, `select pg_terminate_backend(${rows[0]?.pid});`)
  await holder.query('rollback')
  await waiting
  t.same(await look(db, checkWaiting), [])
})

t.test('a lock that a session holds which is no server', async t => {
  const { db, connect } = await openRooms(t)
  const [witness, leak] = [await connect(), await connect()]
  const alive = await addServer(db, 'a')
  await tryLock(witness, db.t, 'node', '1')
  await tryLock(witness, db.t, 'incarnation', alive)
  await addServer(db, 'b')
  await tryLock(leak, db.t, 'node', '2')
  // It counts a second after its last statement.
  await until(async () => (await look(db, checkLocks)).length > 0)
  const findings = await look(db, checkLocks)
  found(t, findings, ['error leaked-lock'])
  t.equal(findings[0]?.items?.length, 1, 'the witness is none')
  t.match(findings[0]?.items?.[0], 'holds the lock of node b')
  await leak.query('select pg_advisory_unlock_all()')
  t.same(await look(db, checkLocks), [])
  await db.query({
    text: `update ${db.t.incarnation} set state = 'left', ended_at = now() - interval '1 min' where id = $1`,
    values: [alive],
  })
  await until(async () => (await look(db, checkLocks)).length > 0)
  t.match((await look(db, checkLocks))[0]?.items, [/of node a and of incarnation 1$/])
})

t.test('too few connections for the servers', async t => {
  const { db } = await openRooms(t)
  t.same(await look(db, checkCapacity), [])
  const { rows } = await db.query<{ name: string }>({ text: 'select current_database() as name' })
  await db.query({ text: `alter database ${rows[0]?.name} connection limit 11` })
  found(t, await look(db, checkCapacity), ['warning database-connection-limit'])
  await db.query({ text: `alter database ${rows[0]?.name} connection limit -1` })
  for (let server = 0; server < 25; server++) await addServer(db)
  found(t, await look(db, checkCapacity), ['warning connections-too-few'])
})

t.test('a schema that is missing, behind or ahead', async t => {
  const { url, pool } = await createDatabase(t)
  found(t, await checkSchema(openDatabase(t, url)), [])
  found(t, await checkSchema(openDatabase(t, url, { schema: 'missing' })), ['error not-migrated'])
  await pool.query(`
    insert into cluster_worker.migration (name, batch, migration_time) values ('999_later', 9, now())`)
  found(t, await checkSchema(openDatabase(t, url)), ['error schema-newer'])
})

t.test('clocks that differ', async t => {
  const { db } = await openRooms(t)
  const compare = (seconds: number) =>
    lookInto(db, session => checkClock(session, () => new Date(Date.now() + seconds * 1000)))
  t.same(await compare(0), [])
  found(t, await compare(20), ['note clocks-differ'])
  t.match((await compare(20))[0]?.what, / is 2\d\.\d s ahead of /)
  found(t, await compare(-90), ['warning clocks-differ'])
  t.match((await compare(-90))[0]?.what, / is (89|90)\.\d s behind /)
})

t.test('whoever looks can change nothing', async t => {
  const { db } = await openRooms(t)
  const insert = { text: `insert into ${db.t.node} (id) values ('a')` }
  await t.rejects(
    lookInto(db, session => session.query(insert)),
    { code: 'CW_DATABASE_UNFIT', message: /read-only/ },
  )
})
