import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { killCommands } from '../../lib/guardian/kill-commands.ts'
import type { ServerProcess } from '../../lib/guardian/message.ts'
import type { WatchEnd } from '../../lib/guardian/watch-server.ts'
import { signalGroup } from '../../lib/step/signal-process.ts'
import { readProcess } from '../../lib/step/process-list.ts'
import { isAlive } from './marked.ts'

/** A program that has forked once; the fork has begun no program of its own. */
async function startForked(t: Test): Promise<{ parent: ChildProcess; fork: number }> {
  const script = '(sleep 1000 & wait) & echo $!; wait'
  const parent = spawn('bash', ['-c', script], { detached: true, env: {} })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const fork = Number(line.toString())
  // The group lives as long as its sleep, which none of these tests kills alone.
  t.teardown(() => signalGroup(parent.pid ?? 0, 'SIGKILL'))
  return { parent, fork }
}

function endOf(
  server: ServerProcess,
  how: WatchEnd['how'],
  about: { cookie?: string; running?: string[] } = {},
): WatchEnd {
  const { cookie = randomUUID(), running = [] } = about
  const charge = {
    incarnation: '1',
    schema: 'cluster_worker',
    connection: { environment: {} },
    cookie,
    server,
    running,
    aliveForMs: 1000,
  }
  return { charge, how, running: new Set(running) }
}

function describe(pid: number | undefined): ServerProcess {
  const found = readProcess(pid ?? 0)
  if (typeof found !== 'object') throw new Error(`expected process ${pid} to run`)
  return found
}

t.test('a fork of a dead server that has begun no program yet is killed', async t => {
  const { parent, fork } = await startForked(t)
  const server = describe(parent.pid)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  t.ok(isAlive(fork))
  t.strictSame(await killCommands(endOf(server, 'gone')), [])
  t.notOk(isAlive(fork))
})

t.test('a server that lives and only closed its pipe keeps its forks', async t => {
  const { parent, fork } = await startForked(t)
  t.strictSame(await killCommands(endOf(describe(parent.pid), 'gone')), [])
  t.ok(isAlive(parent.pid ?? 0) && isAlive(fork))
})

t.test('a server that is overdue is killed, unless its process id is another’s by now', async t => {
  const { parent, fork } = await startForked(t)
  const server = describe(parent.pid)
  const other = { ...server, startTicks: '1', environmentAt: '1' }
  await killCommands(endOf(other, 'overdue'))
  t.ok(isAlive(parent.pid ?? 0) && isAlive(fork))
  const exited = once(parent, 'exit')
  await killCommands(endOf(server, 'overdue'))
  t.strictSame(await exited, [null, 'SIGKILL'])
  t.notOk(isAlive(fork))
})

t.test('commands of other servers and of finished requests are spared', async t => {
  const cookie = randomUUID()
  const start = (id: string, value: string): number => {
    const env = { CLUSTER_SERVER_COOKIE: value, CLUSTER_REQUEST_ID: id }
    const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', env })
    t.teardown(() => child.kill('SIGKILL'))
    return child.pid ?? 0
  }
  const pids = {
    running: start('12', cookie),
    finished: start('1', cookie),
    foreign: start('12', randomUUID()),
  }
  const { parent } = await startForked(t)
  await killCommands(endOf(describe(parent.pid), 'gone', { cookie, running: ['12'] }))
  const alive = Object.entries(pids).filter(([, pid]) => isAlive(pid))
  t.strictSame(
    alive.map(([name]) => name),
    ['finished', 'foreign'],
  )
})
