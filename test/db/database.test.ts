import { Pool } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import { createDatabase } from '../support/database.ts'
import { openDatabase } from '../support/rows.ts'
import { until } from '../support/until.ts'

const names = { schema: 'cluster_worker', applicationName: 'test', maxConnections: 10 }

/** A pool as an application has one: with no listener on its connections. */
async function openAppPool(t: Test) {
  const { url } = await createDatabase(t, { template: false })
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  t.teardown(() => pool.end())
  return { url, pool }
}

t.test('a pool that the caller keeps busy fails, with the way out, by its own limit', async t => {
  const { pool } = await openAppPool(t)
  const db = new Database({ pool, ...names })
  const held = await pool.connect()
  // Only now, so that it is not the time for connecting that runs out.
  pool.options.connectionTimeoutMillis = 20
  await t.rejects(db.query({ text: 'select 1' }), {
    code: 'CW_POOL_TIMEOUT',
    message: /1 connections to become free within 20 ms; .* \{ transaction: client \}/,
  })
  held.release()
  t.match(await db.query({ text: 'select 1 as one' }), { rows: [{ one: 1 }] })
})

t.test('a pool without a limit fails by ours, and loses no connection', async t => {
  const { pool } = await openAppPool(t)
  const db = new Database({ pool, ...names, connectionTimeoutMs: 20 })
  const held = await pool.connect()
  await t.rejects(db.query({ text: 'select 1' }), { code: 'CW_POOL_TIMEOUT' })
  held.release()
  t.match(await db.query({ text: 'select 1 as one' }), { rows: [{ one: 1 }] })
  t.match([pool.totalCount, pool.idleCount, pool.waitingCount], [1, 1, 0])
})

t.test('our own pool that is busy says the same', async t => {
  const { url } = await createDatabase(t, { template: false })
  const db = openDatabase(t, url, { connections: 1 })
  const held = await db.acquire()
  db.pool.options.connectionTimeoutMillis = 20
  await t.rejects(db.query({ text: 'select 1' }), { code: 'CW_POOL_TIMEOUT' })
  held.release()
})

t.test('behind a pooler that mixes up what programs have prepared, names are left out', async t => {
  const { url } = await createDatabase(t, { template: false })
  const named = { name: 'one', text: 'select 1 as one' }
  const spoilt = {
    'the session does not know it': 'deallocate all',
    'the session knows it of another program': 'deallocate all; prepare "two" as select 2',
  }
  for (const [what, text] of Object.entries(spoilt)) {
    const db = openDatabase(t, url, { connections: 1 })
    t.match(await db.query(named), { rows: [{ one: 1 }] })
    await db.query({ text })
    const again = { name: what.endsWith('program') ? 'two' : 'one', text: 'select 1 as one' }
    t.match(await db.query(again), { rows: [{ one: 1 }] }, what)
    t.match(await db.query({ name: 'three', text: 'select 3 as three' }), { rows: [{ three: 3 }] })
    const { rows } = await db.query({ text: 'select name from pg_prepared_statements' })
    t.notMatch(rows, [{ name: 'three' }], 'and stay left out')
  }
})

t.test('what follows a statement is done behind it, and its failure is nobody’s', async t => {
  const { url } = await createDatabase(t, { template: false })
  const db = openDatabase(t, url, { connections: 1 })
  await db.query({ text: 'create table entry (id integer generated always as identity)' })
  const add = { text: 'insert into entry default values' }
  const refused = { text: 'select 1 / 0' }
  await db.query(add, add)
  t.match(await db.query({ text: 'select id from entry order by id' }), {
    rows: [{ id: 1 }, { id: 2 }],
  })
  const pid = await pidOf(db)
  await db.query(add, refused)
  await t.rejects(db.query(refused, add), { code: '22012' })
  t.match(await db.query({ text: 'select count(*)::integer from entry' }), { rows: [{ count: 4 }] })
  t.equal(await pidOf(db), pid, 'the connection is used on')
  await db.query({ text: 'select 1' }, { text: 'select pg_terminate_backend(pg_backend_pid())' })
  t.not(await pidOf(db), pid, 'one that broke is not')
})

t.test('a statement that is refused leaves the connection in use', async t => {
  const { url } = await createDatabase(t, { template: false })
  const db = openDatabase(t, url, { connections: 1 })
  const pid = await pidOf(db)
  await t.rejects(db.query({ text: 'select 1 / 0' }), { code: '22012' })
  await t.rejects(
    db.transaction(async client => {
      await client.query({ text: 'create table half (id integer)' })
      await client.query({ text: 'select 1 / 0' })
    }),
    { code: '22012' },
  )
  t.equal(await pidOf(db), pid)
  t.match(await db.query({ text: `select to_regclass('half') as found` }), {
    rows: [{ found: null }],
  })
})

t.test('whatever rejects within a transaction undoes it', async t => {
  const { url } = await createDatabase(t, { template: false })
  const db = openDatabase(t, url, { connections: 1 })
  const work = db.transaction(async client => {
    await client.query({ text: 'create table half (id integer)' })
    throw new TypeError('not the database')
  })
  await t.rejects(work, new TypeError('not the database'))
  const answer = await db.query({ text: `select to_regclass('half') as found` })
  t.match(answer, { rows: [{ found: null }] })
})

t.test('a connection that breaks in our hands fails the statement, not the process', async t => {
  const { url, pool } = await openAppPool(t)
  const db = new Database({ pool, ...names })
  const other = openDatabase(t, url)
  const broken = db.transaction(async client => {
    const { rows } = await client.query<{ pid: number }>({
      text: 'select pg_backend_pid() as pid',
    })
    const pid = rows[0]?.pid
    await other.query({ text: 'select pg_terminate_backend($1)', values: [pid] })
    await until(async () => {
      const text = 'select from pg_stat_activity where pid = $1'
      return (await other.query({ text, values: [pid] })).rowCount === 0
    })
    // Node reads the end of the connection before it goes on here.
    await new Promise(setImmediate)
    await client.query({ text: 'select 1' })
  })
  await t.rejects(broken, { code: 'CW_CONNECTION' })
  t.match(await db.query({ text: 'select 1 as one' }), { rows: [{ one: 1 }] })
})

t.test('a connection that was ended during a statement is not used again', async t => {
  const { url } = await createDatabase(t, { template: false })
  const db = openDatabase(t, url, { connections: 1 })
  const text = 'select pg_terminate_backend(pg_backend_pid())'
  for (let round = 0; round < 5; round++) {
    await t.rejects(db.query({ text }), { code: 'CW_CONNECTION' })
    t.match(await db.query({ text: 'select 1 as one' }), { rows: [{ one: 1 }] })
  }
})

t.test('a statement that opened a transaction and failed leaves none behind', async t => {
  const { url } = await createDatabase(t, { template: false })
  const db = openDatabase(t, url, { connections: 1 })
  await t.rejects(db.query({ text: 'begin; select 1 / 0' }), { code: '22012' })
  t.match(await db.query({ text: 'select 1 as one' }), { rows: [{ one: 1 }] })
})

t.test('after close the next statement opens the pool anew', async t => {
  const { url } = await createDatabase(t, { template: false })
  const db = openDatabase(t, url)
  const pid = await pidOf(db)
  await db.close()
  await db.close()
  t.not(await pidOf(db), pid)
})

t.test('a pool of the application stays open', async t => {
  const { pool } = await openAppPool(t)
  const db = new Database({ pool, ...names })
  await db.query({ text: 'select 1' })
  await db.close()
  t.match(await pool.query('select 1 as one'), { rows: [{ one: 1 }] })
})

t.test('what the operator must do is in the error', async t => {
  const { url } = await createDatabase(t, { template: false })
  const failing: [url: string, expected: { code: string; message?: RegExp }][] = [
    [url.replace(/\/cw_[^?]*/, '/cw_no_such'), { code: 'CW_DATABASE_UNFIT', message: /createdb/ }],
    [url.replace(/\/\/[^@]*@/, '//nobody@'), { code: 'CW_CONNECTION', message: /nobody/ }],
    ['postgresql://cluster@127.0.0.1:1/x', { code: 'CW_CONNECTION', message: /ECONNREFUSED/ }],
    ['postgresql://u@/x?host=%2Fno%2Fsuch', { code: 'CW_CONNECTION' }],
  ]
  for (const [wrong, expected] of failing) {
    const db = openDatabase(t, wrong)
    await t.rejects(db.query({ text: 'select 1' }), expected, wrong)
    await t.rejects(db.connectAlone(), expected, wrong)
  }
})

async function pidOf(db: Database): Promise<number | undefined> {
  const { rows } = await db.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
  return rows[0]?.pid
}
