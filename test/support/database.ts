import { randomBytes } from 'node:crypto'
import { basename } from 'node:path'
import { Client, Pool } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import { migrate } from '../../lib/db/migrate.ts'
import { endThrowAway, readRunServer, startThrowAway } from './server.ts'

export interface TestDatabase {
  url: string
  pool: Pool
  /** A connection of its own, which ends with the test. */
  connect(): Promise<Client>
}

export interface TestDatabaseOptions {
  /** Whether the tables are there already. Defaults to true. */
  template?: boolean
  /** The url of another server than the run's, such as an older PostgreSQL. */
  server?: string
}

const templateLock = 7_236_001

/**
 * A database of its own for a test, gone when the test ends. A failed test keeps it, and says its url.
 * Works in a run of tap and in a file that is run alone, which gets a server of its own.
 */
export async function createDatabase(
  test: Test,
  { template = true, server }: TestDatabaseOptions = {},
): Promise<TestDatabase> {
  const run = server === undefined ? await findRunServer() : { url: server, template: undefined }
  const admin = await connectTo(run.url)
  const name = nameDatabase()
  try {
    if (template && run.template) await ensureTemplate(admin, run.url, run.template)
    await admin.query(
      `create database ${name}${template && run.template ? ` template ${run.template}` : ''}`,
    )
  } finally {
    await admin.end()
  }
  const url = withDatabase(run.url, name)
  const pool = listen(new Pool({ connectionString: url }))
  test.teardown(() => removeDatabase(test, { adminUrl: run.url, name, pool, url }))
  if (template && !run.template) await migrateWith(pool)
  return { url, pool, connect: () => connectFor(test, url) }
}

async function findRunServer(): Promise<{ url: string; template: string | undefined }> {
  const run = await readRunServer(process.ppid)
  if (run) return run
  const given = process.env['DATABASE_URL']
  if (given) return { url: given, template: undefined }
  const server = await startThrowAway()
  t.teardown(() => endThrowAway(server))
  return { url: server.url, template: undefined }
}

/** Built under another name and renamed, so that a killed test leaves no half of a template. */
async function ensureTemplate(admin: Client, adminUrl: string, template: string): Promise<void> {
  await admin.query('select pg_advisory_lock($1)', [templateLock])
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [template])
  if (rowCount === 0) {
    const building = nameDatabase()
    await admin.query(`create database ${building}`)
    const pool = listen(new Pool({ connectionString: withDatabase(adminUrl, building) }))
    try {
      await migrateWith(pool)
    } finally {
      await pool.end()
    }
    await admin.query(`alter database ${building} rename to ${template}`)
  }
  await admin.query('select pg_advisory_unlock($1)', [templateLock])
}

async function migrateWith(pool: Pool): Promise<void> {
  const names = { schema: 'cluster_worker', applicationName: 'test', maxConnections: 2 }
  await migrate(new Database({ pool, ...names }))
}

async function connectFor(test: Test, url: string): Promise<Client> {
  const client = await connectTo(url)
  test.teardown(() => client.end())
  return client
}

async function removeDatabase(
  test: Test,
  { adminUrl, name, pool, url }: { adminUrl: string; name: string; pool: Pool; url: string },
): Promise<void> {
  const leaked = pool.totalCount - pool.idleCount
  if (leaked > 0) throw new Error(`the test ended and left ${leaked} connections checked out`)
  await pool.end()
  if (!test.passing()) {
    test.comment(`the test failed; its database is kept as long as the server: ${url}`)
    return
  }
  const admin = await connectTo(adminUrl)
  await admin.query(`drop database ${name} with (force)`)
  await admin.end()
}

async function connectTo(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** A server that ends must fail the queries, not the process. */
function listen(pool: Pool): Pool {
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  return pool
}

/** Not with `new URL`, which refuses a user without a host, as in a url with a socket. */
function withDatabase(url: string, name: string): string {
  return url.replace(/^([a-z]+:\/\/[^/?]*)(\/[^?]*)?/, `$1/${name}`)
}

function nameDatabase(): string {
  const file = basename(process.argv[1] ?? '').split('.')[0] ?? ''
  const readable = file.toLowerCase().replaceAll(/\W/g, '_').slice(0, 30)
  return `cw_test_${readable}_${randomBytes(4).toString('hex')}`
}
