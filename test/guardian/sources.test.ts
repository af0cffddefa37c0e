import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeFolder } from '../support/binary.ts'
import { until } from '../support/until.ts'
import { startServer, type ServerProcess } from './server-process.ts'

// Programs that sources run belong to no request; they end with their server all the same.

t.setTimeout(60_000)

/** Four processes, of which one is deaf, one has a session of its own, and one has no environment any more. */
const hiding =
  'trap "" TERM; setsid sleep 1000 & env -i setsid tail -f /dev/null "$MARK" 2>/dev/null & sleep 1000 & wait; sleep 1000'
const processes = 4

const shell = (script: string): string[] => ['/bin/sh', '-c', script]

/** Starts a server that checks a component, or imports a version of it, and waits until the program runs. */
async function begin(
  t: Test,
  { server, lists = hiding }: { server: ServerProcess; lists?: string },
): Promise<void> {
  const { components } = server.cluster
  const source = { type: 'command', list: shell(lists), fetch: shell(hiding) }
  await components.apply({ name: 'app', source })
  await until(async () => server.commands().length === processes)
  t.pass('it runs')
}

async function untilLost({ cluster }: ServerProcess): Promise<void> {
  await until(async () => (await cluster.nodes())[0]?.state === 'lost')
}

t.test(
  'a server that is killed takes the program of an import with it; its next life removes the folder',
  async t => {
    const dataDir = await makeFolder(t)
    const server = await startServer(t, { shells: {}, dataDir })
    await begin(t, { server, lists: 'echo 1' })
    server.kill('SIGKILL')
    await untilLost(server)
    t.strictSame(server.commands(), [])
    const imports = join(dataDir, 'imports')
    t.equal((await readdir(imports)).length, 1, 'it could not remove it')
    const spool = join(dataDir, 'spool')
    const elsewhere = await makeFolder(t)
    await mkdir(spool)
    await writeFile(join(spool, randomUUID()), 'on its way to a bucket')
    await writeFile(join(elsewhere, 'file'), 'not ours')
    await symlink(elsewhere, join(imports, randomUUID()))
    for (const folder of [imports, spool]) await writeFile(join(folder, 'notes.txt'), 'not ours')
    await server.cluster.components.remove('app')
    await startServer(t, { shells: {}, dataDir, url: server.url })
    for (const folder of [imports, spool]) {
      await until(async () => (await readdir(folder)).length === 1)
      t.strictSame(await readdir(folder), ['notes.txt'])
    }
    t.strictSame(await readdir(elsewhere), ['file'], 'no link is followed')
  },
)

t.test('when its guardians were killed with it, its next life ends them', async t => {
  const dataDir = await makeFolder(t)
  const server = await startServer(t, { shells: {}, dataDir, lostAfter: '2s' })
  const guardians = [await server.waitForGuardian(), await server.waitForGuardian()]
  await begin(t, { server })
  for (const guardian of guardians) process.kill(guardian, 'SIGSTOP')
  server.kill('SIGKILL')
  for (const guardian of guardians) process.kill(guardian, 'SIGKILL')
  await server.ended
  // While a process executes another program, nobody can read its environment.
  await until(async () => server.commands().length === processes)
  await startServer(t, { shells: {}, dataDir, url: server.url })
  t.strictSame(server.commands(), [])
})

t.test('a server that freezes is killed with the programs of its sources', async t => {
  const server = await startServer(t, { shells: {}, lostAfter: '3s' })
  await begin(t, { server })
  server.kill('SIGSTOP')
  t.strictSame(await server.ended, [null, 'SIGKILL'])
  await untilLost(server)
  t.strictSame(server.commands(), [])
})

t.test('a server that stops in good order waits until they are gone', async t => {
  const server = await startServer(t, { shells: {} })
  await begin(t, { server })
  server.kill('SIGTERM')
  t.strictSame(await server.ended, [0, null])
  t.strictSame(server.commands(), [])
})
