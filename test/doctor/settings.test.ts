import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { checkDurability } from '../../lib/db/doctor/check-durability.ts'
import { checkGrants } from '../../lib/db/doctor/check-grants.ts'
import { checkSettings } from '../../lib/db/doctor/check-settings.ts'
import { checkTransactions } from '../../lib/db/doctor/check-activity.ts'
import { createDatabase } from '../support/database.ts'
import { openDatabase } from '../support/rows.ts'
import { found, look, lookInto } from './look.ts'

t.setTimeout(180_000)

const bad: readonly [setting: string, value: string, level: string, says: RegExp][] = [
  ['statement_timeout', "'5s'", 'warning', /^statement_timeout is 5000 \(by alter database /],
  ['lock_timeout', "'2s'", 'warning', /^lock_timeout is 2000 /],
  ['idle_session_timeout', "'10min'", 'warning', /^idle_session_timeout is 600000 /],
  ['idle_in_transaction_session_timeout', "'500ms'", 'warning', / is 500 /],
  ['idle_in_transaction_session_timeout', '0', 'note', / is 0 /],
  ['default_transaction_isolation', 'serializable', 'error', / is serializable /],
  ['default_transaction_read_only', 'on', 'error', / is on /],
  ['session_replication_role', 'replica', 'error', / is replica /],
  ['client_min_messages', 'error', 'warning', / is error /],
  ['search_path', 'public, pg_catalog', 'warning', /^search_path is public, pg_catalog /],
  ['track_activities', 'off', 'warning', / is off /],
]

for (const [setting, value, level, says] of bad)
  t.test(`${setting} = ${value} for the database`, async t => {
    const { url, name } = await open(t)
    const db = openDatabase(t, url)
    found(t, await look(db, checkSettings), [])
    const admin = await connect(t, url)
    await admin.query(`alter database ${name} set ${setting} = ${value}`)
    const findings = await look(openDatabase(t, url), checkSettings)
    found(t, findings, [`${level} setting-${setting.replaceAll('_', '-')}`])
    t.match(findings[0]?.what, says)
    // What it says to do, undoes it.
    await admin.query(`set default_transaction_read_only = off`)
    if (level === 'note') return
    await admin.query(findings[0]?.command ?? '')
    if (setting === 'idle_in_transaction_session_timeout') return
    found(t, await look(openDatabase(t, url), checkSettings), [])
  })

t.test('a setting of the role whose server is connected', async t => {
  const { url } = await open(t)
  const role = await makeRole(t, url)
  await role.admin.query(`alter role ${role.name} set statement_timeout = '2min'`)
  const db = openDatabase(t, url)
  found(t, await look(db, checkSettings), [])
  await connect(t, role.url, 'cluster-worker witness a')
  const findings = await look(db, checkSettings)
  found(t, findings, ['warning setting-statement-timeout'])
  t.match(findings[0], {
    what: `statement_timeout is 120000 (by alter role ${role.name}).`,
    command: `alter role ${role.name} reset statement_timeout;`,
  })
})

t.test('synchronous_commit off for the database, and for the role of a server', async t => {
  const { url, name } = await open(t)
  const admin = await connect(t, url)
  const commits = async (): Promise<string[]> =>
    (await look(openDatabase(t, url), checkDurability))
      .filter(finding => finding.name === 'commits-not-durable')
      .map(({ what }) => what)
  await admin.query(`alter database ${name} set synchronous_commit = on`)
  t.same(await commits(), [])
  const role = await makeRole(t, url)
  await admin.query(`alter role ${role.name} set synchronous_commit = off`)
  t.same(await commits(), [], 'a role without a server does not matter')
  await connect(t, role.url, 'cluster-worker a')
  t.same(await commits(), [
    `synchronous_commit is off for the role of connected servers: ${role.name}.`,
  ])
  await admin.query(`alter database ${name} set synchronous_commit = off`)
  t.same(await commits(), ['synchronous_commit is off.'])
})

t.test('a role without the rights of a server', async t => {
  const { url } = await open(t)
  const role = await makeRole(t, url)
  found(t, await look(openDatabase(t, url), checkGrants), [])
  const db = openDatabase(t, role.url)
  const findings = await look(db, checkGrants)
  found(t, findings, ['warning rights-missing'])
  t.ok(findings[0]?.items?.includes('usage on the schema cluster_worker'))
  t.ok(findings[0]?.items?.some(item => /delete.* on queue$/.test(item)))
  await role.admin.query(findings[0]?.command ?? '')
  found(t, await look(db, checkGrants), [])
})

t.test('a role that does not see what others do is told so', async t => {
  const { url } = await open(t)
  const role = await makeRole(t, url)
  const db = openDatabase(t, role.url)
  found(t, await lookInto(db, checkTransactions), ['note activity-hidden'])
  await role.admin.query(`grant pg_read_all_stats to ${role.name}`)
  found(t, await lookInto(db, checkTransactions), [])
})

/** A database in which all is as the doctor likes it. */
async function open(t: Test): Promise<{ url: string; name: string }> {
  const { url, pool } = await createDatabase(t)
  const { rows } = await pool.query<{ name: string }>('select current_database() as name')
  const name = rows[0]?.name ?? ''
  await pool.query(`alter database ${name} set idle_in_transaction_session_timeout = '10min'`)
  return { url, name }
}

async function connect(t: Test, url: string, applicationName: string = 'test'): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: applicationName })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** A role of its own, which is gone when the test ends: roles belong to the whole server. */
async function makeRole(
  t: Test,
  url: string,
): Promise<{ name: string; url: string; admin: Client }> {
  const name = `cw_role_${randomBytes(4).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  const admin = new Client({ connectionString: url })
  await admin.connect()
  await admin.query(`create role ${name} login password '${password}'`)
  t.teardown(async () => {
    await admin.query(`drop owned by ${name} cascade`)
    await admin.query(`drop role ${name}`)
    await admin.end()
  })
  return { name, url: url.replace(/^([a-z]+:\/\/)([^@/]*@)?/, `$1${name}:${password}@`), admin }
}
