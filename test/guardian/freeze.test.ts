import t from 'tap'
import { Client } from 'pg'
import { startServer } from './server-process.ts'

const shells = { long: ['trap "" TERM; sleep 1000 & setsid sleep 1000; sleep 1000'] }

/** The server itself stops its work after 0.6 of it, the guardian after 0.8, the others after all of it. */
const lostAfter = '3s'

const noticed = {
  outcome: 'failed',
  reason: 'server_lost',
  error: { message: 'the server a was lost while it ran this request (noticed by its guardian)' },
}

t.test('a server that freezes is killed with its commands, and its requests fail', async t => {
  const server = await startServer(t, { shells, lostAfter })
  const id = await server.begin('long', 3)
  server.kill('SIGSTOP')
  t.strictSame(await server.watchEnd(id), [], 'no process is left')
  t.strictSame(await server.ended, [null, 'SIGKILL'])
  const record = await server.cluster.get(id)
  t.match(record, noticed)
  server.kill('SIGCONT')
  t.strictSame(await server.cluster.get(id), record, 'nothing that it does later counts')
})

t.test('a server whose event loop is blocked for good is killed', async t => {
  const server = await startServer(t, { shells, lostAfter, stallLimit: '1s' })
  const id = await server.begin('long', 3)
  const blocked = await server.cluster.enqueue('block')
  t.strictSame(await server.watchEnd(blocked.id), [])
  t.strictSame(await server.ended, [null, 'SIGKILL'])
  t.match(await server.cluster.get(id), noticed)
})

t.test('one whose event loop is blocked for longer than lostAfter is only busy', async t => {
  const server = await startServer(t, { shells, lostAfter: '2s' })
  const { id } = await server.cluster.enqueue('block', { forMs: 5000 })
  t.match(await server.cluster.wait(id), { outcome: 'succeeded' })
  const [node] = await server.cluster.nodes()
  t.match(node, { state: 'active', succeeded: 1 })
})

t.test('a server that gets no answer stops its work itself, before its guardian must', async t => {
  const server = await startServer(t, { shells, lostAfter })
  const id = await server.begin('long', 3)
  const client = new Client({ connectionString: server.url })
  await client.connect()
  const { rows } = await client.query<{ pid: number }>(
    `select pid from pg_stat_activity
     where datname = current_database() and application_name = 'cluster-worker witness a'`,
  )
  const witness = rows[0]?.pid ?? 0
  t.teardown(() => process.kill(witness, 'SIGCONT'))
  process.kill(witness, 'SIGSTOP')
  t.strictSame(await server.ended, [75, null])
  t.strictSame(await server.watchEnd(id), [])
  t.match(await server.cluster.get(id), noticed)
  await client.end()
})
