import t from 'tap'
import { until } from '../support/until.ts'
import { isAlive } from './marked.ts'
import { startServer } from './server-process.ts'

const shells = { long: ['exec sleep 1000'] }

t.test('a guardian that is killed is replaced, and the new one knows what runs', async t => {
  const server = await startServer(t, { shells })
  const first = await server.waitForGuardian()
  const before = await server.begin('long', 1)
  process.kill(first, 'SIGKILL')
  t.match(await server.waitForLine('the guardian was killed by SIGKILL; a new one is started'), {
    where: 'guardian',
  })
  const second = await server.waitForGuardian()
  t.not(second, first)
  const after = await server.begin('long', 2)
  server.kill('SIGKILL')
  t.strictSame(await server.watchEnd(after), [])
  t.match(await server.cluster.get(before), { reason: 'server_lost' })
  await until(async () => !isAlive(second))
})

t.test('a guardian that is frozen is replaced', async t => {
  const server = await startServer(t, { shells, lostAfter: '2s' })
  const first = await server.waitForGuardian()
  const id = await server.begin('long', 1)
  process.kill(first, 'SIGSTOP')
  await server.waitForGuardian()
  t.notOk(isAlive(first))
  server.kill('SIGKILL')
  t.strictSame(await server.watchEnd(id), [])
})

t.test(
  'what ends the server by its terminal or by its service manager spares the guardian',
  async t => {
    const server = await startServer(t, { shells })
    const guardian = await server.waitForGuardian()
    const id = await server.begin('long', 1)
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.kill(guardian, signal)
    process.kill(-server.pid, 'SIGINT')
    t.strictSame(await server.ended, [null, 'SIGINT'])
    t.strictSame(await server.watchEnd(id), [])
    t.match(await server.cluster.get(id), { reason: 'server_lost' })
  },
)
