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
import { until } from '../support/until.ts'
import { findMarked, isAlive } from './marked.ts'

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
    aliveUntil: 1000,
  }
  return { charge, how, running: new Set(running), provenUntil: 1000 }
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

/** A program that runs until the test ends. */
function startSleep(t: Test, env: Record<string, string>): number {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', env })
  t.teardown(() => child.kill('SIGKILL'))
  return child.pid ?? 0
}

t.test('commands of other servers and of finished requests are spared', async t => {
  const cookie = randomUUID()
  const variable = (id: string, value = cookie): string => `CLUSTER_SERVER_COOKIE=${value}/${id}`
  const start = (value: string): number =>
    startSleep(t, Object.fromEntries([value.split(/=(.*)/, 2)]))
  const pids = {
    running: start(variable('12')),
    finished: start(variable('1')),
    longer: start(variable('123')),
    foreign: start(variable('12', randomUUID())),
    mentioned: start(`NOTE=${variable('12')}`),
    prefixed: start(`MY_${variable('12')}`),
  }
  const { parent } = await startForked(t)
  await killCommands(endOf(describe(parent.pid), 'gone', { cookie, running: ['12'] }))
  const alive = Object.entries(pids).filter(([, pid]) => isAlive(pid))
  t.strictSame(
    alive.map(([name]) => name),
    ['finished', 'longer', 'foreign', 'mentioned', 'prefixed'],
  )
})

t.test('what else was started beside the server, in its process group, is spared', async t => {
  // Without job control, a shell starts its programs in its own group, as npm and many others do.
  const script = 'sleep 1000 & sleep 1001 & echo $! $(cut -d" " -f5 /proc/$!/stat); wait'
  const shell = spawn('sh', ['-c', script], { detached: true, env: {} })
  t.teardown(() => signalGroup(shell.pid ?? 0, 'SIGKILL'))
  const [line] = (await once(shell.stdout, 'data')) as [Buffer]
  const [server = 0, group] = line.toString().split(' ').map(Number)
  t.equal(group, shell.pid)
  await killCommands(endOf(describe(server), 'overdue'))
  t.notOk(isAlive(server))
  t.ok(isAlive(shell.pid ?? 0), 'the shell goes on')
})

t.test(
  'what cleared its environment and made a session of its own is killed by its parent',
  async t => {
    const cookie = randomUUID()
    // The child hides once more: it has a child of its own, of which the first knows nothing.
    const hidden = 'env -i setsid sh -c "setsid sleep 1000 & echo \\$! \\$\\$; wait"'
    const parent = spawn('sh', ['-c', `${hidden} & wait`], {
      detached: true,
      env: { PATH: process.env['PATH'] ?? '', CLUSTER_SERVER_COOKIE: `${cookie}/12` },
    })
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pids = line.toString().split(' ').map(Number)
    t.teardown(() => {
      for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    })
    const { parent: server } = await startForked(t)
    await killCommands(endOf(describe(server.pid), 'gone', { cookie, running: ['12'] }))
    t.strictSame(
      pids.map(pid => isAlive(pid)),
      [false, false],
    )
  },
)

t.test('a tree that grows all the time is killed, and nothing of it hides meanwhile', async t => {
  const cookie = randomUUID()
  const mark = randomUUID()
  // What the loops start has nothing of the command but a parent.
  const loop = `while :; do env -i setsid tail -f /dev/null ${mark} 2>/dev/null & sleep 0.02; done`
  const parent = spawn('sh', ['-c', `for n in 1 2 3 4 5; do (${loop}) & done; wait`], {
    detached: true,
    stdio: 'ignore',
    env: { PATH: process.env['PATH'] ?? '', CLUSTER_SERVER_COOKIE: `${cookie}/12` },
  })
  t.teardown(() => {
    for (const pid of findMarked(mark)) process.kill(pid, 'SIGKILL')
  })
  const { parent: server } = await startForked(t)
  await until(async () => findMarked(mark).length > 60)
  await killCommands(endOf(describe(server.pid), 'gone', { cookie, running: ['12'] }))
  t.notOk(isAlive(parent.pid ?? 0))
  t.strictSame(findMarked(mark), [])
})
