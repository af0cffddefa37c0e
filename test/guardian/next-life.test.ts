import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { tryLock } from '../../lib/db/locks.ts'
import { openRooms } from '../support/rows.ts'
import { until } from '../support/until.ts'
import { isAlive } from './marked.ts'
import { startServer, type ServerProcess } from './server-process.ts'

const service = 'setsid sleep 1000 >/dev/null 2>&1 &'
const shells = { deploy: [service], work: [service, 'exec sleep 1000'] }

/** A server that has left a service running, and runs something, is killed together with its guardians. */
async function killAll(t: Test) {
  const dataDir = t.testdir()
  const { db, url } = await openRooms(t)
  const server = await startServer(t, { shells, dataDir, url })
  const guardians = [await server.waitForGuardian(), await server.waitForGuardian()]
  const { id: deployed } = await server.cluster.enqueue('deploy')
  t.match(await server.cluster.wait(deployed), { outcome: 'succeeded' })
  const left = server.commands()
  const id = await server.begin('work', 3)
  // It must not replace them.
  server.kill('SIGSTOP')
  for (const pid of guardians) process.kill(pid, 'SIGKILL')
  server.kill('SIGKILL')
  await server.ended
  // While a process executes another program, nobody can read its environment.
  await until(async () => server.commands().length === 3)
  return { db, dataDir, server, left, id, file: join(dataDir, 'life.json') }
}

/** Starts the node again, with the same data folder. */
const startAgain = (t: Test, { url }: ServerProcess, dataDir: string) =>
  startServer(t, { shells, dataDir, url })

t.test('the next life ends what was killed together with its guardians', async t => {
  const { dataDir, server, left, id } = await killAll(t)
  const [alive] = await Promise.all([server.watchEnd(id), startAgain(t, server, dataDir)])
  t.strictSame(alive, left, 'what a finished request left behind goes on, and nothing else')
  t.match(await server.cluster.get(id), {
    outcome: 'failed',
    reason: 'server_lost',
    error: {
      message: 'the server a was lost while it ran this request (noticed by its next life)',
    },
  })
  t.ok(left.every(isAlive))
})

t.test('it does so when the others were faster', async t => {
  const { db, dataDir, server, left, id } = await killAll(t)
  await db.query({
    text: `
      with gone as (delete from ${db.t.running} where id = $1 returning id, incarnation, started_at)
      insert into ${db.t.finished} (id, outcome, reason, incarnation, started_at)
      select id, 'failed', 'server_lost', incarnation, started_at from gone`,
    values: [id],
  })
  await db.query({
    text: `update ${db.t.incarnation} set state = 'lost', ended_at = clock_timestamp()`,
  })
  await startAgain(t, server, dataDir)
  t.strictSame(server.commands(), left)
})

t.test('it touches nothing that it cannot know to be its own', async t => {
  const { dataDir, server, file } = await killAll(t)
  const life = JSON.parse(await readFile(file, 'utf8')) as { server: object }
  const commands = server.commands()
  for (const strange of [
    '{',
    JSON.stringify({ ...life, host: 'another' }),
    JSON.stringify({ ...life, incarnation: '999' }),
    JSON.stringify({ ...life, boot: 'before' }),
  ]) {
    await writeFile(file, strange)
    const next = await startAgain(t, server, dataDir)
    t.strictSame(server.commands(), commands, strange)
    next.kill('SIGTERM')
    await next.ended
  }
})

t.test('a life that a session still proves is not reported', async t => {
  const { db, dataDir, server, left, id } = await killAll(t)
  const session = await db.connectAlone()
  t.teardown(() => session.end())
  // The folder is a copy, and the server that it was copied from lives somewhere else.
  await until(() => tryLock(session, db.t, 'incarnation', '1'))
  await startAgain(t, server, dataDir)
  t.strictSame(server.commands(), left, 'what runs here belongs to no live server')
  t.match(await server.cluster.get(id), { state: 'running' })
})

t.test('a server that leaves in good order leaves no word of its life', async t => {
  const dataDir = t.testdir()
  const server = await startServer(t, { shells, dataDir })
  t.match(JSON.parse(await readFile(join(dataDir, 'life.json'), 'utf8')), { incarnation: '1' })
  server.kill('SIGTERM')
  await server.ended
  await t.rejects(readFile(join(dataDir, 'life.json')), { code: 'ENOENT' })
})
