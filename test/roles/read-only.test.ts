import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { readOnlyUrl } from '../../lib/db/read-only-url.ts'
import { call, Cluster, defineProcess } from '../../lib/index.ts'
import { MemorySource } from '../component/memory-source.ts'
import { makeFolder } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until } from '../support/until.ts'

t.setTimeout(60_000)

const hello = defineProcess({ name: 'hello', steps: [call('greet', () => 'hello')] })

async function openReader(t: Test, connectionString: string, options: object = {}) {
  const reader = new Cluster({
    connectionString,
    role: 'read-only',
    nodeId: 'reader',
    dataDir: await makeFolder(t),
    processes: [hello],
    pollInterval: '10ms',
    ...options,
  })
  t.teardown(() => reader.stop())
  return reader
}

/** A database, and the URL for a role that has the right to read all of ours, and no other. */
async function openAsRole(t: Test) {
  const database = await createDatabase(t)
  const admin = await database.connect()
  const role = `cw_role_${randomBytes(4).toString('hex')}`
  await admin.query(`
    create role ${role} login password 'secret';
    grant usage on schema cluster_worker to ${role};
    grant select on all tables in schema cluster_worker to ${role}`)
  t.teardown(() => admin.query(`drop owned by ${role}; drop role ${role}`))
  const url = database.url.replace(/^([a-z]+:\/\/)([^@/]*@)?/, `$1${role}:secret@`)
  return { url, admin, role }
}

/** When the folders below, and what is in them, were changed last. */
async function stampsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true })
  const stamps = ['.', ...entries].map(async entry => {
    const { ctimeNs } = await stat(join(folder, entry), { bigint: true })
    return `${entry} ${ctimeNs}`
  })
  return (await Promise.all(stamps)).toSorted()
}

t.test('it answers questions, and refuses what writes', async t => {
  const { cluster, url } = await startCluster(t, [hello])
  const { id } = await cluster.enqueue(hello)
  const reader = await openReader(t, url)
  await reader.start()
  t.match(await reader.wait(id), { outcome: 'succeeded', result: 'hello' })
  t.match(await reader.list(), [{ id }])
  t.match(await reader.nodes(), [{ node: 'a' }])
  t.match(await reader.node('a'), { state: 'active' })
  for await (const entry of reader.logs(id)) t.fail(entry.text)
  t.type(await reader.doctor(), Array)
  const refused = { code: 'CW_READ_ONLY', field: 'role' }
  await t.rejects(reader.enqueue(hello), refused)
  await t.rejects(reader.enqueueMany([{ process: hello }]), refused)
  await t.rejects(reader.cancel(id), refused)
  await t.rejects(reader.migrate(), refused)
  await t.rejects(reader.suspend('a'), refused)
  await t.rejects(reader.resume('a'), refused)
  await t.rejects(reader.drain('a'), refused)
  await t.rejects(reader.retire('a'), refused)
  await reader.stop()
  t.match(await cluster.nodes(), [{ node: 'a', state: 'active' }])
})

t.test('with the rights to read only, it starts, and nothing that it does writes', async t => {
  const { url, admin, role } = await openAsRole(t)
  const reader = await openReader(t, url)
  const writes = async () => {
    const { rows } = await admin.query<{ count: string }>(`
      select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) as count
      from pg_stat_user_tables where schemaname like 'cluster_worker%'`)
    return rows[0]?.count
  }
  const before = await writes()
  await reader.start()
  t.same(await reader.nodes(), [])
  t.same(await reader.list(), [])
  await reader.stop()
  // What a session has counted is there when it has ended.
  await until(async () => {
    const { rowCount } = await admin.query('select from pg_stat_activity where usename = $1', [
      role,
    ])
    return rowCount === 0
  })
  t.equal(await writes(), before)
})

t.test('it fetches and verifies, and changes neither the database nor the store', async t => {
  for (const isFolder of [true, false]) {
    const store = isFolder ? await makeFolder(t) : 'postgres:'
    const source = new MemorySource()
    source.versions.set('1', { file: 'content' })
    const options = { sources: [source.type], store }
    const { cluster, url } = await startCluster(t, [], options)
    await cluster.components.apply({ name: 'app', source: { type: 'memory' } })
    await until(async () => (await cluster.components.get('app')).published === 1)
    await cluster.stop()
    const before = isFolder && (await stampsBelow(store))
    // The role of the tests may write; the sessions may not.
    const reader = await openReader(t, url, { store })
    t.match(await reader.components.verify(), { objects: 1, problems: [] })
    const folder = join(await makeFolder(t), 'app')
    await reader.components.fetch('app', '1', folder)
    t.equal(await readFile(join(folder, 'file'), 'utf8'), 'content')
    if (isFolder) t.strictSame(await stampsBelow(store), before, 'nobody wrote there')
  }
})

t.test('to verify makes no store of a folder, and says whose it is', async t => {
  const { url } = await createDatabase(t)
  const unused = await makeFolder(t)
  const reader = await openReader(t, url, { store: unused })
  await t.rejects(reader.components.verify(), {
    code: 'CW_STORE_UNKNOWN',
    message: /is empty, and nobody's yet: the first server/,
  })
  t.strictSame(await readdir(unused), [])
  const store = await makeFolder(t)
  await startCluster(t, [], { store })
  await until(async () => (await readdir(store)).includes('staging'))
  const stranger = await openReader(t, url, { store })
  await t.rejects(stranger.components.verify(), {
    code: 'CW_STORE_UNKNOWN',
    message: /belongs to the cluster .* and this is one that has used no store yet/,
  })
  const fresh = await openReader(t, url)
  t.match(await fresh.components.verify(), { objects: 0, problems: [] }, 'in the database')
})

t.test('its sessions are read-only, whatever the URL says beside it', async t => {
  const { url } = await createDatabase(t)
  const optioned = `${url}${url.includes('?') ? '&' : '?'}options=-c%20work_mem%3D7MB`
  for (const one of [url, optioned]) {
    const client = new Client({ connectionString: readOnlyUrl(one) })
    await client.connect()
    t.teardown(() => client.end())
    const { rows } = await client.query('show work_mem')
    t.equal(rows[0].work_mem === '7MB', one === optioned)
    const writing = client.query(`insert into cluster_worker.node (id) values ('a')`)
    await t.rejects(writing, { code: '25006' })
  }
  const proxy = await startProxy(t, url)
  const reader = await openReader(t, proxy.url)
  const asked = proxy.cut('default_transaction_read_only=on', 'before')
  await reader.nodes().catch(() => undefined)
  await t.resolves(asked, 'each session asks for it when it begins')
})

t.test('it follows the database, and says when it is away and when it is back', async t => {
  const { url, admin, role } = await openAsRole(t)
  const lines = new EventEmitter<{ line: [string] }>()
  const log = (_about: object, text: string): void => void lines.emit('line', text)
  const logger = { debug: log, info: log, warn: log, error: log }
  const reader = await openReader(t, url, { logger })
  const started = once(lines, 'line')
  await reader.start()
  t.match(await started, ['server started, read-only: it claims and writes nothing'])
  const away = once(lines, 'line')
  await admin.query(`alter role ${role} nologin`)
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
    role,
  ])
  t.match(await away, [/^the database does not answer: /])
  const back = once(lines, 'line')
  await admin.query(`alter role ${role} login`)
  t.match(await back, ['the database answers again'])
})

t.test('a database without the tables is refused', async t => {
  const { url } = await createDatabase(t, { template: false })
  const reader = await openReader(t, url)
  await t.rejects(reader.start(), { code: 'CW_NOT_MIGRATED' })
})
