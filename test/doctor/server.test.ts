import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { checkTransactions } from '../../lib/db/doctor/check-activity.ts'
import { checkCapacity } from '../../lib/db/doctor/check-capacity.ts'
import { checkConnection } from '../../lib/db/doctor/check-connection.ts'
import { checkDurability } from '../../lib/db/doctor/check-durability.ts'
import { checkReplication } from '../../lib/db/doctor/check-replication.ts'
import { migrate } from '../../lib/db/migrate.ts'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { createDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { openDatabase } from '../support/rows.ts'
import { endThrowAway } from '../support/server.ts'
import { until } from '../support/until.ts'
import { found, look, lookInto, names } from './look.ts'

t.setTimeout(180_000)

// A server of its own: durable, on a port, and with few connections.
const port = await freePort()
const server = await startPostgres({
  folder: await mkdtemp(join(tmpdir(), 'cw-test-')),
  settings: {
    listen_addresses: '127.0.0.1',
    port: String(port),
    max_connections: '20',
    max_prepared_transactions: '2',
    idle_in_transaction_session_timeout: '10min',
  },
})
t.teardown(() => endThrowAway(server))

t.test('commits that a crash forgets', async t => {
  found(t, await look(openDatabase(t, server.url), checkDurability), [])
  const { url } = await createDatabase(t)
  const careless = await look(openDatabase(t, url), checkDurability)
  found(t, careless, ['error fsync-off', 'error full-page-writes-off', 'error commits-not-durable'])
})

t.test('standbys', async t => {
  const db = openDatabase(t, server.url)
  found(t, await look(db, checkReplication), ['note no-standby'])

  const admin = await connect(t, server.url)
  await admin.query("alter system set synchronous_standby_names = 'ANY 1 (*)'")
  await reload(admin, 'synchronous_standby_names', 'ANY 1 (*)')
  found(t, await look(db, checkReplication), ['error standby-missing'])
  await admin.query('alter system reset synchronous_standby_names')
  await reload(admin, 'synchronous_standby_names', '')

  // Somebody who takes the write-ahead log is a standby for the primary.
  const standby = new Client({
    connectionString: server.url,
    application_name: 'second',
    replication: 'true',
  } as object)
  standby.on('error', () => {})
  await standby.connect()
  t.teardown(() => standby.end())
  const findings = await look(db, checkReplication)
  found(t, findings, ['warning replication-asynchronous'])
  t.match(findings[0]?.what, /: second\.$/)
  // What it says to do is to be waited for, so with a standby that confirms nothing all commits wait.
  await admin.query(findings[0]?.command?.split(';')[0] ?? '')
  await reload(admin, 'synchronous_standby_names', 'ANY 1 (*)')
  found(t, await look(db, checkReplication), ['error standby-missing'])
  await admin.query('alter system reset synchronous_standby_names')
  await reload(admin, 'synchronous_standby_names', '')
})

t.test('a prepared transaction that was forgotten', async t => {
  const db = openDatabase(t, server.url)
  const client = await connect(t, server.url)
  const old = () => lookInto(db, session => checkTransactions(session, 0))
  t.same(await old(), [])
  await client.query("begin; create table t (); prepare transaction 'it''s old'")
  const findings = await old()
  found(t, findings, ['warning prepared-transaction'])
  t.equal(findings[0]?.command, "rollback prepared 'it''s old';")
  await client.query(findings[0]?.command ?? '')
  t.same(await old(), [])
})

t.test('connections that run out', async t => {
  const db = openDatabase(t, server.url)
  await migrate(db)
  const few = async () => names(await look(db, checkCapacity))
  t.same(await few(), [])
  for (let n = 0; n < 15; n++) await connect(t, server.url)
  t.same(await few(), ['warning connections-scarce'])
})

t.test('keepalives, over TCP and over a socket', async t => {
  const { url, pool } = await createDatabase(t)
  const socket = openDatabase(t, url)
  if (url.includes('host=%2F')) found(t, await checkConnection(socket), ['note unix-socket'])
  await pool.query('select')
  const tcp = `postgresql://cluster@127.0.0.1:${port}/postgres`
  found(t, await checkConnection(openDatabase(t, tcp)), ['note keepalives-slow'])
  const admin = await connect(t, tcp)
  await admin.query('alter database postgres set tcp_keepalives_idle = 60')
  found(t, await checkConnection(openDatabase(t, tcp)), [])
})

t.test('what stands between drops what sessions ask for, or lends them', async t => {
  const { url } = await createDatabase(t)
  const dropping = await startProxy(t, url, { dropsOptions: true })
  const findings = await checkConnection(openDatabase(t, dropping.url))
  found(t, findings, ['error session-settings-dropped'])
  const lending = await startProxy(t, url, { announcedPid: 4711 })
  const lent = await checkConnection(openDatabase(t, lending.url))
  t.match(lent[0], { name: 'database-unfit', level: 'error', what: /pooler/ })
})

async function connect(t: Test, url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}

async function reload(admin: Client, setting: string, value: string): Promise<void> {
  await admin.query('select pg_reload_conf()')
  await until(async () => {
    const { rows } = await admin.query<{ value: string }>('select current_setting($1) as value', [
      setting,
    ])
    return rows[0]?.value === value
  })
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  listener.close()
  await once(listener, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
