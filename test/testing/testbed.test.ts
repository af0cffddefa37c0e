import { access } from 'node:fs/promises'
import t from 'tap'
import { call, defineProcess } from '../../lib/index.ts'
import { openTestbed } from '../../lib/testing/index.ts'
import { open } from './open-testbed.ts'

t.setTimeout(120_000)

const hello = defineProcess({ name: 'hello', steps: [call('greet', () => 'hello')] })

t.test('brings its own PostgreSQL, and leaves nothing behind', async t => {
  const bed = await openTestbed({ processes: [hello] })
  const socket = decodeURIComponent(/host=([^&]*)/.exec(bed.url)?.[1] ?? '')
  await t.resolves(access(socket))
  await bed.cluster.start()
  await bed.cluster.enqueue('hello')
  t.match(await bed.waitForRequest({ process: 'hello' }), { result: 'hello', node: 'test' })
  await bed.end()
  await t.rejects(access(socket), { code: 'ENOENT' })
  await bed.end()
})

t.test('a server is killed just before the step that was named', async t => {
  const { startServer, cluster, waitForRequest, server, readLedger } = await open(t)
  const first = await startServer({ ...server, killAt: { step: 2 } })
  const { id } = await cluster.enqueue('three')
  t.match(await waitForRequest(id), { outcome: 'failed', reason: 'server_lost', node: 'a' })
  t.equal(await first.ended, 'SIGKILL')
  t.equal(await readLedger(), 'first\n')
  const second = await startServer({ ...server, killAt: { step: 'third', process: 'three' } })
  t.equal(second.nodeId, 'b')
  const other = await cluster.enqueue('clock')
  t.match(await waitForRequest(other.id), { outcome: 'succeeded' })
  const { id: next } = await cluster.enqueue('three')
  t.match(await waitForRequest(next), { outcome: 'failed', reason: 'server_lost', node: 'b' })
  t.equal(await readLedger(), 'first\nfirst\nsecond\n')
})

t.test('the wall clock of a server can be wrong', async t => {
  const { startServer, cluster, waitForRequest, server } = await open(t)
  const day = 86_400_000
  await startServer({ ...server, clockAheadMs: -day })
  const { id } = await cluster.enqueue('clock')
  const { result, finishedAt } = await waitForRequest(id)
  const [now = 0, made = 0, given] = result as number[]
  const machine = finishedAt?.getTime() ?? 0
  for (const moment of [now, made]) t.ok(Math.abs(moment + day - machine) < day / 24)
  t.equal(given, 0)
})

t.test('a server that does not start says why', async t => {
  const { startServer, server } = await open(t)
  await t.rejects(startServer({ ...server, flags: ['--concurrency', 'x'] }), {
    code: 'CW_CONFIG',
    message: /^the server a ended \(2\) before it had joined:\n.*concurrency/s,
  })
})
