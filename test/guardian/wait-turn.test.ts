import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { waitTurn } from '../../lib/guardian/wait-turn.ts'
import { until } from '../support/until.ts'

const module = new URL('../../lib/guardian/wait-turn.ts', import.meta.url)

/** Far more than any of these tests lasts. */
const longMs = 600_000

/** A process that has gone first, and lives. */
async function startFirst(t: Test, cookie: string): Promise<ChildProcess> {
  const script = `
    import { waitTurn } from '${module.href}'
    await waitTurn('${cookie}', ${longMs})
    console.log('first')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {},
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  await once(child.stdout, 'data')
  return child
}

/** How many sockets have the name: one that listens, and one for each that was let in. */
function countSockets(cookie: string): number {
  return readFileSync('/proc/net/unix', 'latin1').split(cookie).length - 1
}

t.test('the second waits until the first has ended', async t => {
  const cookie = randomUUID()
  const first = await startFirst(t, cookie)
  let isKilled = false
  const waiting = waitTurn(cookie, longMs).then(() => isKilled)
  await until(async () => countSockets(cookie) === 2)
  isKilled = true
  first.kill('SIGKILL')
  t.equal(await waiting, true)
})

t.test('a first one that is frozen is waited for no longer than is said', async t => {
  const cookie = randomUUID()
  const first = await startFirst(t, cookie)
  first.kill('SIGSTOP')
  const startedAt = performance.now()
  await waitTurn(cookie, 200)
  // A timer may come some part of a millisecond early.
  t.ok(performance.now() - startedAt > 198)
})

t.test('one that has no time does not wait, and takes nothing', async t => {
  const cookie = randomUUID()
  await waitTurn(cookie, 0)
  t.equal(countSockets(cookie), 0)
  await startFirst(t, cookie)
  await waitTurn(cookie, -1)
  t.equal(countSockets(cookie), 1)
})

t.test('the guardians of another server are not waited for', async t => {
  await startFirst(t, randomUUID())
  const cookie = randomUUID()
  await startFirst(t, cookie)
  t.equal(countSockets(cookie), 1)
})
