import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { Cluster } from '../../lib/cluster.ts'
import { makeFolder, runBinary, runInShell } from '../support/binary.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startServerProcess, type ServerProcess } from '../support/server-process.ts'

const execute = promisify(execFile)

t.setTimeout(180_000)

const processes = resolve('test/bin/processes')

/** A server that runs one request, which waits at a gate that the test opens. */
interface BusyServer extends TestDatabase {
  server: ServerProcess
  cluster: Cluster
  id: string
  /** Where the undo of the request writes. */
  ledger: string
  openGate: () => Promise<void>
}

async function startBusyServer(t: Test): Promise<BusyServer> {
  const database = await createDatabase(t)
  const folder = await makeFolder(t)
  const args = ['start', '--node-id', 'a', '--processes', processes, '--kill-grace', '1s']
  const env = { DATABASE_URL: database.url }
  const server = await startServerProcess(t, { args, cwd: folder, env })
  const cluster = new Cluster({ pool: database.pool })
  const pipe = join(folder, 'pipe')
  const ledger = join(folder, 'ledger')
  await execute('mkfifo', [pipe])
  const { id } = await cluster.enqueue('gate', { pipe, ledger })
  // Its first step has said so: it runs.
  for await (const { text } of cluster.logs(id, { follow: true }))
    if (text.includes('at the gate')) break
  const openGate = (): Promise<void> => writeFile(pipe, 'open\n')
  return { ...database, server, cluster, id, ledger, openGate }
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
  t.test(`${signal} lets what runs finish and claims nothing more`, async t => {
    const { server, cluster, id, openGate } = await startBusyServer(t)
    server.kill(signal)
    const line = await server.waitForLine(signal)
    t.match(line, { level: 'info', running: 1, msg: /\(1\); a second signal stops it/ })
    const later = await cluster.enqueue('say', {})
    await openGate()
    t.match(await server.ended, { code: 0, stderr: '' })
    t.match(await cluster.get(id), { outcome: 'succeeded', result: { stdout: 'open' } })
    t.match(await cluster.get(later.id), { state: 'queued' })
    t.match(await cluster.nodes(), [{ node: 'a', state: 'left', running: 0 }])
  })

t.test('a second signal stops what runs, which is undone', async t => {
  const { server, cluster, id, ledger } = await startBusyServer(t)
  server.kill('SIGTERM')
  await server.waitForLine('SIGTERM: stopping when')
  server.kill('SIGINT')
  t.match(await server.waitForLine('SIGINT: stopping what runs'), { level: 'warn', running: 1 })
  t.match(await server.ended, { code: 130, stderr: '' })
  t.match(await cluster.get(id), { outcome: 'failed', reason: 'server_stopped' })
  t.equal(await readFile(ledger, 'utf8'), 'undone\n')
  t.match(await cluster.nodes(), [{ state: 'left' }])
})

t.test('a third signal ends the process at once', async t => {
  const { server, pool } = await startBusyServer(t)
  // Somebody else has the row, so the request cannot finish.
  const other = await pool.connect()
  await other.query('begin')
  await other.query('lock table cluster_worker.finished in exclusive mode')
  server.kill('SIGTERM')
  await server.waitForLine('SIGTERM: stopping when')
  server.kill('SIGTERM')
  await server.waitForLine('SIGTERM: stopping what runs')
  server.kill('SIGTERM')
  t.match(await server.ended, { code: 143 })
  await other.query('rollback')
  other.release()
})

t.test('a node id or a data folder that a live server has is refused', async t => {
  const { url } = await createDatabase(t)
  const args = ['start', '--node-id', 'a', '--processes', processes, '--database-url', url]
  const { folder } = await startServerProcess(t, { args })
  t.match(await runBinary(t, args), {
    code: 78,
    stderr: /^error: the node id 'a' belongs to another data folder, .* \[CW_NODE_IDENTITY\]\n$/,
  })
  t.match(await runBinary(t, [...args, '--take-identity']), {
    code: 75,
    stderr: /^error: another live server has the node id 'a'; .*\[CW_NODE_ID_TAKEN\]\n$/,
  })
  t.match(await runBinary(t, args, { cwd: folder }), {
    code: 75,
    stderr: /^error: another live server of this machine uses the data folder .*TAKEN\]\n$/,
  })
  const other = await startServerProcess(t, { args: args.with(2, 'b') })
  other.kill('SIGTERM')
  t.match(await other.ended, { code: 0 })
})

t.test('a server that was declared lost ends with 75', async t => {
  const { server, pool } = await startBusyServer(t)
  await pool.query(`
    update cluster_worker.incarnation set state = 'lost', ended_at = now()`)
  await pool.query(`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'cluster-worker witness a'`)
  t.match(await server.waitForLine('declared this one lost'), { level: 'error' })
  t.match(await server.ended, { code: 75 })
})

t.test('a server without processes does not start', async t => {
  const { url } = await createDatabase(t)
  const { code, stdout, stderr } = await runBinary(t, ['start', '--database-url', url])
  t.equal(code, 78)
  t.equal(stdout, '')
  t.match(stderr, /^error: expected at least one process to run: .*--processes.*\[CW_CONFIG\]\n$/)
})

t.test('a schema that is not there is made only if that was asked for', async t => {
  const { url } = await createDatabase(t, { template: false })
  const args = ['start', '--processes', processes, '--database-url', url]
  const refused = await runBinary(t, args)
  t.equal(refused.code, 78)
  t.match(refused.stderr, /does not exist yet; run: cluster-worker migrate.*\[CW_NOT_MIGRATED\]/)
  const server = await startServerProcess(t, { args: [...args, '--migrate'] })
  t.match(await server.waitForLine('migrated'), { migration: '001_rooms' })
  server.kill('SIGTERM')
  t.match(await server.ended, { code: 0 })
})

t.test('options come from the file, the environment and flags', async t => {
  const { url, pool } = await createDatabase(t)
  const folder = await makeFolder(t)
  const config = join(folder, 'settings.yaml')
  await writeFile(
    config,
    `databaseUrl: \${env:MY_URL}\nnodeId: from-file\nconcurrency: 3\nprocesses: [${processes}]\n`,
  )
  const server = await startServerProcess(t, {
    args: ['start', '--config', 'settings.yaml', '--concurrency', '7', '--log-level', 'debug'],
    cwd: folder,
    env: { MY_URL: url, CLUSTER_CONCURRENCY: '5', CLUSTER_NODE_ID: 'from-env' },
  })
  t.match(await new Cluster({ pool }).nodes(), [{ node: 'from-env', concurrency: 7 }])
  server.kill('SIGTERM')
  t.match(await server.ended, { code: 0 })
})

t.test('several files may stand behind one --processes, and it may be repeated', async t => {
  const { url, pool } = await createDatabase(t)
  const folder = await makeFolder(t)
  for (const name of ['one', 'two', 'three'])
    await writeFile(
      join(folder, `${name}.yaml`),
      `name: ${name}\nsteps: [{ name: go, run: [echo, hello] }]\n`,
    )
  const args = ['start', '--processes', 'one.yaml', 'two.yaml', '--processes', 'three.yaml']
  await startServerProcess(t, { args, cwd: folder, env: { DATABASE_URL: url } })
  const { rows } = await pool.query('select process from cluster_worker.lane order by 1')
  t.strictSame(rows, [{ process: 'one' }, { process: 'three' }, { process: 'two' }])
})

t.test('a definition that is wrong is refused before the database is asked', async t => {
  const folder = await makeFolder(t)
  await writeFile(join(folder, 'wrong.yaml'), 'name: wrong\nsteps: []\n')
  const url = 'postgresql://nobody@127.0.0.1:1/nothing'
  const args = ['start', '--processes', 'wrong.yaml', '--database-url', url]
  const { code, stderr } = await runBinary(t, args, { cwd: folder })
  t.equal(code, 78)
  t.match(stderr, /^error: wrong\.yaml:\d+:\d+ .*\[CW_DEFINITION\]\n$/)
})

t.test('when nobody reads its log any more, a server drains and ends', async t => {
  const { url, pool } = await createDatabase(t)
  const args = ['start', '--node-id', 'a', '--processes', processes, '--database-url', url]
  // The reader leaves after the line that says that the server runs.
  const script = 'set -o pipefail; "$@" | head -1'
  const watcher = runInShell(t, script, args)
  const cluster = new Cluster({ pool })
  const { id } = await cluster.enqueue('say', {}, { allowUnknown: true })
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
  const { code, stdout } = await watcher
  t.equal(code, 1, 'whoever supervises it starts it anew')
  t.match(stdout, 'server started')
  t.match(await cluster.nodes(), [{ node: 'a', state: 'left' }])
})

t.test('an error that nobody handles stops the server in good order', async t => {
  const { url, pool } = await createDatabase(t)
  const folder = await makeFolder(t)
  await writeFile(
    join(folder, 'careless.mjs'),
    `import { call, defineProcess } from 'cluster-worker'
     export const careless = defineProcess({
       name: 'careless',
       steps: [call('leave', () => { setImmediate(() => { throw new Error('left behind') }) })],
     })`,
  )
  const args = ['start', '--processes', 'careless.mjs', '--database-url', url]
  const server = await startServerProcess(t, { args, cwd: folder })
  const cluster = new Cluster({ pool })
  await cluster.enqueue('careless')
  t.match(await server.waitForLine('nobody handled: left behind'), { level: 'error' })
  t.match(await server.ended, { code: 1, stderr: '' })
  t.match(await cluster.nodes(), [{ state: 'left' }])
})
