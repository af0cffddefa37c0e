import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { checkDatabase } from '../../lib/db/check-database.ts'
import { Database } from '../../lib/db/database.ts'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { createDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { openDatabase } from '../support/rows.ts'
import { startServer } from '../support/server.ts'

function unfit(message: RegExp) {
  return { code: 'CW_DATABASE_UNFIT', field: 'connectionString', message }
}

/** A database in which a built-in function answers something else to whoever connects. */
async function openPretending(t: Test, definition: string) {
  const { url, pool } = await createDatabase(t, { template: false })
  await pool.query('create schema pretended')
  await pool.query(`create function pretended.${definition}`)
  await pool.query(
    `do $$ begin execute format('alter database %I set search_path = pretended, pg_catalog', current_database()); end $$`,
  )
  return openDatabase(t, url)
}

t.test('a database as it should be is taken', async t => {
  const { url } = await createDatabase(t, { template: false })
  await t.resolves(checkDatabase(openDatabase(t, url)))
})

t.test('a version that is too old', async t => {
  const db = await openPretending(
    t,
    `current_setting(name text) returns text language sql as
      $$ select case name when 'server_version_num' then '130014' else pg_catalog.current_setting(name) end $$`,
  )
  await t.rejects(checkDatabase(db), unfit(/PostgreSQL 14 or later is needed, this is 13/))
})

t.test('an encoding that cannot hold every text', async t => {
  const { url, pool } = await createDatabase(t, { template: false })
  const name = `cw_test_ascii_${crypto.randomUUID().replaceAll('-', '')}`
  await pool.query(
    `create database ${name} encoding 'SQL_ASCII' locale 'C' template template0 ${await providerOf(pool)}`,
  )
  t.teardown(() => pool.query(`drop database ${name} with (force)`))
  const db = openDatabase(t, url.replace(/\/cw_test_[^?]*/, `/${name}`))
  await t.rejects(checkDatabase(db), unfit(/encoding is SQL_ASCII, but UTF8 is needed/))
})

t.test('a database that is read-only by default', async t => {
  const { url, pool } = await createDatabase(t, { template: false })
  await pool.query(
    `do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`,
  )
  await t.rejects(checkDatabase(openDatabase(t, url)), unfit(/default_transaction_read_only is on/))
  // The test's own pool must be able to clean up.
  await pool.query(
    `set default_transaction_read_only = off; do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database()); end $$`,
  )
})

t.test('a standby', async t => {
  const server = await startServer(t)
  await server.stop()
  await writeFile(join(server.folder, 'data', 'standby.signal'), '')
  const standby = await startPostgres({
    folder: server.folder,
    // A standby must allow as many as its primary did.
    settings: { max_connections: '300' },
  })
  const db = openDatabase(t, standby.url)
  await t.rejects(checkDatabase(db), { code: 'CW_NO_PRIMARY', message: /is a standby/ })
  await db.close()
})

t.test('a pooler that lends the session of another', async t => {
  const { url } = await createDatabase(t, { template: false })
  // What a pooler tells at the start is not the process that later answers.
  const proxy = await startProxy(t, url, { announcedPid: 4711 })
  const db = new Database({
    connectionString: proxy.url,
    schema: 'cluster_worker',
    applicationName: 'test',
    maxConnections: 1,
  })
  await t.rejects(checkDatabase(db), unfit(/connection pooler in transaction or statement mode/))
})

t.test('one that cannot be reached', async t => {
  const db = openDatabase(t, 'postgresql://cluster@127.0.0.1:1/nothing')
  await t.rejects(checkDatabase(db), { code: 'CW_CONNECTION' })
})

/** Since PostgreSQL 15 the provider of a template with an own one must be named again. */
async function providerOf(pool: { query(text: string): Promise<{ rows: { n: number }[] }> }) {
  const { rows } = await pool.query(
    `select current_setting('server_version_num')::integer / 10000 as n`,
  )
  return (rows[0]?.n ?? 0) >= 15 ? `locale_provider 'libc'` : ''
}
