import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { Pool } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { claim } from '../../lib/db/claim.ts'
import { Database } from '../../lib/db/database.ts'
import { finish } from '../../lib/db/finish.ts'
import { checkMigrated, migrate } from '../../lib/db/migrate.ts'
import { enqueueBatch } from '../../lib/db/requests.ts'
import { getRequest } from '../../lib/db/status.ts'
import { createDatabase } from '../support/database.ts'
import { addLane, addServer, openDatabase, openRooms, success } from '../support/rows.ts'
import { until, untilBlocked } from '../support/until.ts'

const names = readdirSync(new URL('../../migrations', import.meta.url))
  .map(file => basename(file, '.sql'))
  .toSorted()

async function openEmpty(t: Test) {
  const database = await createDatabase(t, { template: false })
  const db = openDatabase(t, database.url)
  return { url: database.url, connect: () => database.connect(), db }
}

t.test('20 at once on an empty database: one migrates, and all go on', async t => {
  const { url } = await openEmpty(t)
  const all = Array.from({ length: 20 }, () => openDatabase(t, url, { connections: 2 }))
  const applied = await Promise.all(all.map(db => migrate(db)))
  t.same(
    applied.filter(list => list.length > 0),
    [names],
  )
  for (const db of all) await checkMigrated(db)
})

t.test('any number at once on one pool, and on a pool of one connection', async t => {
  const { url, db } = await openEmpty(t)
  const single = openDatabase(t, url, { connections: 1 })
  const applied = await Promise.all([...Array.from({ length: 12 }, () => db), single].map(migrate))
  t.same(applied.flat(), names)
})

t.test('a migration that was killed half-way is done anew by the next', async t => {
  const { url, db, connect } = await openEmpty(t)
  const session = await connect()
  // The migration stops where it makes its first table's sequence: this transaction holds the name.
  await session.query('create schema cluster_worker')
  await session.query('begin')
  await session.query('create table cluster_worker.incarnation (id integer)')
  const pool = new Pool({ connectionString: url, application_name: 'victim' })
  pool.on('error', () => undefined)
  t.teardown(() => pool.end())
  const victim = new Database({
    pool,
    schema: 'cluster_worker',
    applicationName: 'victim',
    maxConnections: 10,
  })
  const killed = t.rejects(migrate(victim))
  await until(async () => {
    const { rowCount } = await db.query({
      text: `select from pg_stat_activity
        where application_name = 'victim' and datname = current_database() and wait_event_type = 'Lock'`,
    })
    return rowCount === 1
  })
  await db.query({
    text: `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'victim' and datname = current_database()`,
  })
  await killed
  await session.query('rollback')
  await t.rejects(checkMigrated(db), { code: 'CW_NOT_MIGRATED' })
  t.same(await migrate(db), names)
  await checkMigrated(db)
})

t.test('a migration that is held up keeps the others waiting, not failing', async t => {
  const { url, db, connect } = await openEmpty(t)
  const session = await connect()
  await session.query('create schema cluster_worker')
  await session.query('begin')
  await session.query('create table cluster_worker.incarnation (id integer)')
  const first = migrate(db)
  await untilBlocked(db)
  const second = migrate(openDatabase(t, url))
  await session.query('rollback')
  t.same([...(await first), ...(await second)], names)
})

t.test("what a process left that died in the middle is in nobody's way", async t => {
  const { db, connect } = await openEmpty(t)
  const session = await connect()
  await session.query(`
    create schema cluster_worker;
    create table cluster_worker.migration
      (id serial primary key, name varchar(255), batch integer, migration_time timestamptz);
    create table cluster_worker.migration_lock (index serial primary key, is_locked integer);
    insert into cluster_worker.migration_lock (is_locked) values (1)`)
  t.same(await migrate(db), names)
  await checkMigrated(db)
})

t.test('a schema of a later version is refused, and left alone', async t => {
  const { db } = await openEmpty(t)
  await migrate(db)
  await db.query({
    text: `insert into ${db.t.migrations} (name, batch, migration_time) values ('999_later', 9, now())`,
  })
  const looks: ((db: Database) => Promise<unknown>)[] = [migrate, checkMigrated]
  for (const look of looks)
    await t.rejects(look(db), {
      code: 'CW_SCHEMA_NEWER',
      field: 'schema',
      message: /999_later.*install the version that migrated it/,
    })
})

t.test('a schema that is missing or half there is told', async t => {
  const { db } = await openEmpty(t)
  const missing = {
    code: 'CW_NOT_MIGRATED',
    message: /does not exist yet; run: cluster-worker migrate/,
  }
  await t.rejects(checkMigrated(db), missing)
  await t.rejects(getRequest(db, '1'), { code: 'CW_NOT_MIGRATED' })
  await migrate(db)
  await db.query({ text: `delete from ${db.t.migrations} where name = '002_functions'` })
  await t.rejects(checkMigrated(db), { code: 'CW_NOT_MIGRATED', message: /lacks 002_functions/ })
})

t.test('two installations in one database know nothing of each other', async t => {
  const { url, db } = await openEmpty(t)
  const other = openDatabase(t, url, { schema: 'other_1' })
  t.same(await migrate(db), names)
  t.same(await migrate(other), names)
  const lane = await addLane(other)
  const server = await addServer(other)
  const plain = { priority: 0, runAt: null, idempotencyKey: null, process: 'work', input: '{}' }
  const options = { allowUnknown: false, transaction: undefined }
  await t.rejects(enqueueBatch(db, [plain], options), { code: 'CW_UNKNOWN_PROCESS' })
  const [request] = await enqueueBatch(other, [plain], options)
  const id = request?.id as string
  const token = crypto.randomUUID()
  t.match(await claim(other, { incarnation: server, lanes: [lane], limit: 1, token }), [{ id }])
  t.same(await finish(other, server, [success({ id, token })]), [id])
  t.match(await getRequest(other, id), { outcome: 'succeeded', process: 'work' })
  t.equal(await getRequest(db, id), undefined)
})

t.test(
  'a role that may not create the schema is told so, and needs no right for one that is there',
  async t => {
    const { url, db, connect } = await openEmpty(t)
    const admin = await connect()
    const role = `cw_test_${crypto.randomUUID().replaceAll('-', '')}`
    await admin.query(`create role ${role} login`)
    t.teardown(() => admin.query(`drop owned by ${role}; drop role ${role}`))
    const limited = openDatabase(t, url.replace(/\/\/[^@]*@/, `//${role}@`))
    await t.rejects(migrate(limited), {
      code: 'CW_DATABASE_UNFIT',
      message: /permission denied.*grant the role/,
    })
    await admin.query(`create schema cluster_worker authorization ${role}`)
    t.same(await migrate(limited), names)
    await checkMigrated(db)
  },
)

t.test('logs are compressed with lz4 where PostgreSQL has it, else as by default', async t => {
  const { db } = await openRooms(t)
  const { rows } = await db.query<{ used: string; hasLz4: boolean }>({
    text: `
      select attcompression as used,
        (select 'lz4' = any (enumvals) from pg_settings where name = 'default_toast_compression') as "hasLz4"
      from pg_attribute where attrelid = 'cluster_worker.log'::regclass and attname = 'text'`,
  })
  t.equal(rows[0]?.used, rows[0]?.hasLz4 ? 'l' : '')
})
