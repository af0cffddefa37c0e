import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { until } from '../support/until.ts'
import { isAlive } from './marked.ts'
import { startServer } from './server-process.ts'

t.test('a clean stop ends the guardian, which declares nothing and kills nothing', async t => {
  const server = await startServer(t, {
    shells: { deploy: ['setsid sleep 1000 >/dev/null 2>&1 &'] },
  })
  const guardian = await server.waitForGuardian()
  const { id } = await server.cluster.enqueue('deploy')
  await server.cluster.wait(id)
  const left = server.commands()
  t.equal(left.length, 1)
  server.kill('SIGTERM')
  t.strictSame(await server.ended, [0, null])
  t.notOk(isAlive(guardian), 'it ended before the server')
  t.strictSame(server.commands(), left)
  t.match(await server.cluster.nodes(), [{ node: 'a', state: 'left' }])
})

t.test('a clean stop does not wait long for a guardian that is frozen', async t => {
  const server = await startServer(t, { shells: {} })
  const guardians = [await server.waitForGuardian(), await server.waitForGuardian()]
  process.kill(guardians[0] ?? 0, 'SIGSTOP')
  server.kill('SIGTERM')
  t.strictSame(await server.ended, [0, null])
  t.notOk(guardians.some(isAlive), 'it was killed')
  t.match(await server.cluster.nodes(), [{ node: 'a', state: 'left' }])
})

t.test(
  'the guardian has nothing of the server but its pipe, and tells nobody the password',
  async t => {
    const server = await startServer(t, { shells: {} })
    const guardian = await server.waitForGuardian()
    const folder = `/proc/${guardian}`
    const visible = ['environ', 'cmdline'].map(file => readFileSync(`${folder}/${file}`, 'latin1'))
    t.notOk(visible.join('').includes(server.url))
    t.notMatch(visible[0], /MARK|DATABASE_URL|CLUSTER_/)
    const stat = readFileSync(`${folder}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
    t.same(
      [stat[2], stat[3]],
      [String(guardian), String(guardian)],
      'a group and session of its own',
    )
    t.ok(readdirSync(`${folder}/fd`).length > 0)
  },
)

t.test('without a guardian there is no cookie, and a loss waits for the others', async t => {
  const server = await startServer(t, { shells: { long: ['exec sleep 1000'] }, guardian: false })
  const id = await server.begin('long', 1)
  // In the middle of an exec a process shows no environment, and is no command for a moment.
  await until(async () => server.commands().length === 1)
  const [pid] = server.commands()
  t.notMatch(readFileSync(`/proc/${pid}/environ`, 'latin1'), /CLUSTER_SERVER_COOKIE/)
  server.kill('SIGKILL')
  await until(async () => (await server.cluster.nodes())[0]?.state === 'silent')
  t.match(await server.cluster.get(id), { state: 'running' })
  t.equal(server.commands().length, 1)
})
