import { resolve } from 'node:path'
import t from 'tap'
import { makeFolder, runBinary, type Outcome } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { spawnServerProcess, startServerProcess } from '../support/server-process.ts'

t.setTimeout(180_000)

const database = await createDatabase(t)
const cwd = await makeFolder(t)
const env = { DATABASE_URL: database.url }
const run = (...args: string[]): Promise<Outcome> => runBinary(t, args, { cwd, env })
// Longer than it is frozen below: its guardian would end it.
const patient = ['--lost-after', '1m']
const args = [
  'start',
  '--node-id',
  'web1',
  '--processes',
  resolve('test/bin/processes'),
  ...patient,
]
const server = await startServerProcess(t, { args, env })

t.test('suspend, nodes and resume tell who, why and what', async t => {
  const suspended = await run('suspend', 'web1', '--reason', 'new disk')
  t.match(suspended, {
    code: 0,
    stdout: 'web1 is suspended: it starts nothing until it is resumed.\n',
    stderr: 'No server is active: requests wait until one is resumed or started.\n',
  })
  await server.waitForLine('suspended: this server claims nothing')
  t.match(await server.waitForLine('no server is active'), { level: 'warn' })
  const table = await run('nodes')
  t.match(
    table.stdout,
    /^NODE +ROLE +STATE +SINCE .*\nweb1 +active +suspended .* operator by \S+@\S+: new disk$/m,
  )
  t.match(table.stderr, 'No server is active')
  const [node] = JSON.parse((await run('nodes', '--json')).stdout) as object[]
  t.match(node, { node: 'web1', state: 'suspended', reasons: [{ reason: 'new disk' }] })
  t.match(JSON.parse((await run('resume', 'web1', '--json')).stdout), {
    node: 'web1',
    order: 'resume',
    answer: 'acknowledged',
    cleared: [{ kind: 'operator', reason: 'new disk' }],
    remaining: [],
  })
  const shown = (await run('nodes', 'web1')).stdout
  t.match(shown, /^Server web1 active\n/)
  t.match(shown, /\nSuspensions\nKIND .*\noperator +new disk /)
  t.match(shown, /\nHistory\nAT .*\n.* resumed .*\n.* suspended .* new disk\n.* joined /)
})

t.test(
  'an order that waits for somebody else gives up, and says that nothing has changed',
  async t => {
    const session = await database.connect()
    await session.query('begin')
    await session.query(`select from cluster_worker.node where id = 'web1' for update`)
    const { code, stderr } = await run('suspend', 'web1')
    t.equal(code, 75)
    t.match(
      stderr,
      /locked the rows of the server 'web1'.* Nothing has changed.*\[CW_WAIT_TIMEOUT\]/s,
    )
    await session.query('rollback')
  },
)

t.test('what is wrong with an order is said in a sentence', async t => {
  const unknown = await run('suspend', 'web2')
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, "'web2' has ever joined; did you mean 'web1'? [CW_NODE_UNKNOWN]")
  t.match(await run('nodes', 'nobody'), { code: 2, stderr: '[CW_NODE_UNKNOWN]' })
  t.match(await run('drain'), { code: 2, stderr: 'expected more arguments' })
  t.match(await run('suspend', 'web1', '--for', 'long'), {
    code: 2,
    stderr: 'expected --for to be',
  })
  t.match(await run('resume', 'web1', '--reason', 'x'), {
    code: 2,
    stderr: 'unknown flag --reason',
  })
})

t.test('a server that does not answer: the order stands, and the command says so', async t => {
  server.kill('SIGSTOP')
  const { code, stdout, stderr } = await run('suspend', 'web1', '--timeout', '100ms')
  server.kill('SIGCONT')
  t.equal(code, 75)
  t.equal(stdout, '')
  t.match(stderr, /did not answer within 0\.1 s.* The order stands.*\[CW_WAIT_TIMEOUT\]/s)
  t.match(await run('resume', 'web1'), { code: 0, stdout: 'web1 claims requests.\n' })
})

t.test('drained to exit, the server ends with 0; a retired one does not start', async t => {
  const drained = await run('drain', 'web1', '--then-exit', '--deadline', '1m')
  t.match(drained, { code: 0, stdout: 'web1 has drained and left.\n' })
  t.match(await server.ended, { code: 0, stderr: '' })
  t.match(await run('drain', 'web1', '--then-exit'), { stdout: 'web1 does not run.\n' })
  t.match(await run('retire', 'web1'), { code: 0, stdout: /^web1 is retired/ })
  t.equal((await run('nodes', '--json')).stdout, '[]\n')
  t.match((await run('nodes', '--all')).stdout, /web1 +active +retired/)
  const refused = await (await spawnServerProcess(t, { args, env, cwd: server.folder })).ended
  t.equal(refused.code, 78)
  t.match(refused.stderr, /retired by .*cluster-worker resume web1 \[CW_NODE_RETIRED\]/)
})
