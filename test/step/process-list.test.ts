import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { until } from '../support/until.ts'
import { listProcesses, readProcess } from '../../lib/step/process-list.ts'

async function findByEnvironment(text: string): Promise<number[]> {
  const pids: number[] = []
  for await (const { pid, environment } of listProcesses())
    if (environment.includes(text)) pids.push(pid)
  return pids
}

t.test('lists each process once, with what identifies it, and not our own', async t => {
  const child = spawn('sleep', ['1000'], { detached: true, env: { MARK: randomUUID() } })
  t.teardown(() => child.kill('SIGKILL'))
  const listed: number[] = []
  for await (const { pid } of listProcesses()) listed.push(pid)
  t.equal(new Set(listed).size, listed.length)
  t.ok(listed.includes(child.pid ?? 0))
  t.notOk(listed.includes(process.pid))
  const found = readProcess(child.pid ?? 0)
  t.match(found, { pid: child.pid, group: child.pid, session: child.pid, startTicks: /^\d+$/ })
})

t.test('a process that has ended is not listed, also while nobody has collected it', async t => {
  // Node collects its children in the event loop, which does not turn here.
  const child = spawn('true')
  const pid = child.pid ?? 0
  let found = readProcess(pid)
  while (found) found = readProcess(pid)
  t.equal(process.kill(pid, 0), true, 'it still has its id')
  await once(child, 'exit')
})

t.test('a process that goes from program to program without end is found every time', async t => {
  const mark = randomUUID()
  const hop = 'exec sh -c "$HOP"'
  const child = spawn('sh', ['-c', hop], { env: { HOP: hop, MARK: mark } })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  let missed = 0
  for (let round = 0; round < 300; round++)
    if (!(await findByEnvironment(mark)).includes(child.pid ?? 0)) missed++
  t.equal(missed, 0)
})

/** Ends its first thread; the second goes on. */
const withoutFirstThread = `
import ctypes, threading, time
threading.Thread(target=lambda: (print('ready', flush=True), time.sleep(1000))).start()
time.sleep(0.1)
ctypes.CDLL(None).syscall(60, 0)`

t.test('a process whose first thread has ended is listed as long as another runs', async t => {
  const mark = randomUUID()
  const child = spawn('python3', ['-c', withoutFirstThread], {
    detached: true,
    env: { PATH: process.env['PATH'], MARK: mark },
  })
  const failed = once(child, 'error').then(([error]) => error as NodeJS.ErrnoException)
  const ready = await Promise.race([once(child.stdout, 'data'), failed])
  if (ready instanceof Error) return t.comment('there is no python3 here')
  t.teardown(() => child.kill('SIGKILL'))
  const pid = child.pid ?? 0
  await until(async () => /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1')))
  t.match(readProcess(pid), { pid, group: pid, session: pid, startTicks: /^\d+$/ })
  t.strictSame(await findByEnvironment(mark), [pid])
})
