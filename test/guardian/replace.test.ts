import { readFileSync } from 'node:fs'
import t from 'tap'
import { until } from '../support/until.ts'
import { isAlive } from './marked.ts'
import { startServer } from './server-process.ts'

const shells = { long: ['exec sleep 1000'] }

t.test('a guardian that is killed is replaced, and the new one knows what runs', async t => {
  const server = await startServer(t, { shells })
  const guardians = [await server.waitForGuardian(), await server.waitForGuardian()]
  const before = await server.begin('long', 1)
  const [first = 0, other = 0] = guardians
  process.kill(first, 'SIGKILL')
  t.match(await server.waitForLine('the guardian was killed by SIGKILL; a new one is started'), {
    where: 'guardian',
  })
  const second = await server.waitForGuardian()
  t.notOk(guardians.includes(second))
  const after = await server.begin('long', 2)
  // Only the new one is left to act.
  process.kill(other, 'SIGSTOP')
  server.kill('SIGKILL')
  t.strictSame(await server.watchEnd(after), [])
  t.match(await server.cluster.get(before), { reason: 'server_lost' })
  await until(async () => !isAlive(second))
})

for (const signal of ['SIGKILL', 'SIGSTOP'] as const)
  t.test(`a server that is killed together with a guardian (${signal}) has another`, async t => {
    const server = await startServer(t, { shells })
    const guardians = [await server.waitForGuardian(), await server.waitForGuardian()]
    const id = await server.begin('long', 1)
    process.kill(guardians[0] ?? 0, signal)
    server.kill('SIGKILL')
    t.strictSame(await server.watchEnd(id), [])
    t.match(await server.cluster.get(id), { reason: 'server_lost' })
    await until(async () => !isAlive(guardians[1] ?? 0))
  })

t.test('what ends all programs called node spares the guardians', async t => {
  const server = await startServer(t, { shells })
  const guardian = await server.waitForGuardian()
  const name = readFileSync(`/proc/${guardian}/comm`, 'latin1')
  t.equal(name, 'guardian of a\n')
  t.match(readFileSync(`/proc/${guardian}/cmdline`, 'latin1'), /^guardian of a\0/)
})

t.test('a guardian that is frozen is replaced', async t => {
  const server = await startServer(t, { shells, lostAfter: '2s' })
  const first = await server.waitForGuardian()
  await server.waitForGuardian()
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
