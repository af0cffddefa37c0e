import { resolve } from 'node:path'
import t from 'tap'
import { makeFolder, runBinary, type Outcome } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { startServerProcess, type ServerProcess } from '../support/server-process.ts'

t.setTimeout(180_000)

const { url } = await createDatabase(t)
const cwd = await makeFolder(t)
const env = { DATABASE_URL: url }
const processes = ['--processes', resolve('test/bin/processes')]
const run = (...args: string[]): Promise<Outcome> => runBinary(t, args, { cwd, env })

function start(node: string, ...flags: string[]): Promise<ServerProcess> {
  const args = ['start', '--node-id', node, '--profile', 'fast', ...processes, ...flags]
  return startServerProcess(t, { args, env })
}

t.test('a standby runs what is queued when the active server was killed', async t => {
  const active = await start('web1')
  const standby = await start('web2', '--role', 'standby')
  t.match(await standby.waitForLine('standing by'), { level: 'info' })
  const { stdout } = await run('nodes')
  t.match(stdout, /^NODE +ROLE +STATE /)
  t.match(stdout, /^web1 +active +active /m)
  t.match(stdout, /^web2 +standby +standby .* standby: it claims when no other server does$/m)
  t.match((await run('nodes', 'web2')).stdout, /^Server web2 standby\n  role +standby\n/)
  active.kill('SIGKILL')
  const { code } = await run('enqueue', 'say', '--wait')
  t.equal(code, 0)
  t.match(await standby.waitForLine('this standby takes over'), { level: 'warn' })
  const [, second] = JSON.parse((await run('nodes', '--json')).stdout) as object[]
  t.match(second, { node: 'web2', role: 'standby', state: 'active', succeeded: 1 })
  const resumed = await run('resume', 'web2')
  t.match(resumed, { code: 0, stdout: 'web2 claims requests.\n' })

  const again = await startServerProcess(t, {
    args: ['start', '--node-id', 'web1', '--profile', 'fast', ...processes],
    cwd: active.folder,
    env,
  })
  t.match(await standby.waitForLine('has handed back'), { level: 'info' })
  t.match(await run('resume', 'web2'), {
    stdout:
      'web2 is a standby: it claims when no other server does. resume --all lets it claim now.\n',
  })
  standby.kill('SIGKILL')
  t.match(await again.waitForLine('no standby is alive'), { level: 'warn' })
})

t.test('a read-only server needs no processes, joins nothing and ends like any other', async t => {
  const args = ['start', '--role', 'read-only', '--node-id', 'console']
  const server = await startServerProcess(t, { args, env })
  t.notMatch((await run('nodes', '--all')).stdout, 'console')
  server.kill('SIGTERM')
  t.match(await server.ended, { code: 0, stderr: '' })
  const migrating = await run(...args, '--migrate')
  t.equal(migrating.code, 78)
  t.match(migrating.stderr, /role here is read-only.* \[CW_READ_ONLY\]/)
})

t.test('a role that there is none is refused', async t => {
  const { code, stderr } = await run('start', '--role', 'leader', ...processes)
  t.equal(code, 2)
  t.match(stderr, /expected --role to be one of active, standby, read-only, got/)
})
