import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { call, defineProcess } from '../../lib/index.ts'
import { openTestbed, type TestbedOptions } from '../../lib/testing/index.ts'
import { createDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

t.setTimeout(120_000)

const steps = `
name: three
steps:
  - { name: first, shell: 'echo first >> "$LEDGER"' }
  - { name: second, shell: 'echo second >> "$LEDGER"', undo: { shell: 'echo undone >> "$LEDGER"' } }
  - { name: third, shell: 'date +%s >> "$LEDGER"' }
`

const clock = `
import { call, defineProcess } from ${JSON.stringify(import.meta.resolve('../../lib/index.ts'))}
export const clock = defineProcess({
  name: 'clock',
  steps: [call('read', () => [Date.now(), new Date().getTime(), new Date(0).getTime()])],
})
`

/** A testbed with a folder of processes, on a database of its own. */
async function open(t: Test, options: TestbedOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'cw-testbed-'))
  await writeFile(join(folder, 'three.yaml'), steps)
  await writeFile(join(folder, 'clock.ts'), clock)
  const { url } = await createDatabase(t)
  const bed = await openTestbed({ databaseUrl: url, ...options })
  t.teardown(async () => {
    await bed.end()
    await rm(folder, { recursive: true })
  })
  const ledger = join(folder, 'ledger')
  await writeFile(ledger, '')
  const server = {
    processes: [join(folder, 'three.yaml'), join(folder, 'clock.ts')],
    // Longer than a busy machine may keep a server from its turn.
    flags: ['--pass-env', 'LEDGER', '--lost-after', '10s'],
    env: { LEDGER: ledger },
  }
  return { ...bed, server, readLedger: () => readFile(ledger, 'utf8') }
}

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

t.test('a frozen server is lost, and one that is thawed in time is not', async t => {
  const { startServer, cluster, server } = await open(t)
  const { freeze, thaw, ended, stop } = await startServer(server)
  freeze()
  thaw()
  t.equal(await stop(), 0)
  const other = await startServer(server)
  other.freeze()
  t.equal(await other.ended, 'SIGKILL', 'by its guardian')
  await until(async () => (await cluster.nodes())[1]?.state === 'lost')
  t.equal(await ended, 0)
})

t.test('a server that does not start says why', async t => {
  const { startServer, server } = await open(t)
  await t.rejects(startServer({ ...server, flags: ['--concurrency', 'x'] }), {
    code: 'CW_CONFIG',
    message: /^the server a ended \(2\) before it had joined:\n.*concurrency/s,
  })
})

t.test('behind a proxy, a server is cut off and comes back', async t => {
  const { startProxy, startServer, cluster, waitForRequest, server } = await open(t)
  const proxy = await startProxy()
  const { output, ended } = await startServer({ ...server, databaseUrl: proxy.url })
  proxy.cut()
  const { id } = await cluster.enqueue('clock')
  t.match(await waitForRequest(id), { outcome: 'succeeded' })
  await proxy.refuse()
  const { id: next } = await cluster.enqueue('clock')
  await proxy.restore()
  t.match(await waitForRequest(next), { outcome: 'succeeded' }, 'nothing is lost by a refusal')
  await until(async () => (await cluster.nodes())[0]?.state === 'alive')
  proxy.stall()
  t.equal(await ended, 75, 'nor does anybody answer who could tell')
  t.match(output(), /could not prove to the database that it is alive/)
  await proxy.restore()
})
