import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { Cluster, type Logger } from '../../lib/index.ts'
import { createDatabase } from '../support/database.ts'

const { execPath } = process

t.afterEach(() => void (process.execPath = execPath))

/** A server in this process, and the process id of its guardian. */
async function openCluster(t: Test) {
  const { url } = await createDatabase(t)
  const guardians: number[] = []
  const note = (about: object): void => {
    if ('guardian' in about) guardians.push(Number(about.guardian))
  }
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  const cluster = new Cluster({
    connectionString: url,
    nodeId: 'a',
    dataDir: t.testdir(),
    retention: 'forever',
    lostAfter: '2s',
    logger,
  })
  t.teardown(() => cluster.stop())
  return { cluster, guardians }
}

t.test('a server that gets no guardian does not start', async t => {
  const { cluster } = await openCluster(t)
  process.execPath = '/nowhere/node'
  await t.rejects(cluster.start(), {
    code: 'CW_GUARDIAN',
    message: 'the guardian could not be started: spawn /nowhere/node ENOENT',
  })
  process.execPath = '/bin/false'
  await t.rejects(cluster.start(), {
    code: 'CW_GUARDIAN',
    message: 'the guardian exited with code 1',
  })
  t.match(await cluster.nodes(), [{ node: 'a', state: 'left' }])
  process.execPath = execPath
  await cluster.start()
  t.match(await cluster.nodes(), [{ node: 'a', state: 'active' }])
})

t.test('a server that cannot replace its guardian stops its work', async t => {
  const { cluster, guardians } = await openCluster(t)
  await cluster.start()
  const fenced = once(cluster, 'fenced')
  process.execPath = '/nowhere/node'
  process.kill(guardians[0] ?? 0, 'SIGKILL')
  t.match(await fenced, [
    { code: 'CW_NODE_LOST', cause: { message: /the guardian was killed by SIGKILL/ } },
  ])
})
