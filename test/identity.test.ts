import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Cluster, call, defineProcess, type ClusterOptions } from '../lib/index.ts'
import { createDatabase } from './support/database.ts'

const noop = defineProcess({ name: 'noop', steps: [call('noop', () => 1)] })

/** Servers on one database, with data folders below one folder. */
async function openServers(t: Test) {
  const { url, pool } = await createDatabase(t)
  const folder = t.testdir()
  const open = (nodeId: string, dataDir: string, options: ClusterOptions = {}): Cluster => {
    const cluster = new Cluster({
      connectionString: url,
      nodeId,
      dataDir: join(folder, dataDir),
      processes: [noop],
      retention: 'forever',
      guardian: false,
      ...options,
    })
    t.teardown(() => cluster.stop({ drain: 0 }))
    return cluster
  }
  return { open, folder, pool }
}

const anothers = { code: 'CW_NODE_IDENTITY', field: 'nodeId' }

t.test('a node id stays with its data folder from life to life', async t => {
  const { open, folder } = await openServers(t)
  const server = open('a', 'one')
  for (let life = 0; life < 3; life++) {
    await server.start()
    await server.stop()
  }
  const kept = await readFile(join(folder, 'one/node.json'), 'utf8')
  await open('a', 'one').start()
  t.equal(await readFile(join(folder, 'one/node.json'), 'utf8'), kept)
})

t.test('a changed id is refused, and the folder is left as it was', async t => {
  const { open } = await openServers(t)
  const server = open('a', 'one')
  await server.start()
  await server.stop()
  await t.rejects(open('b', 'one').start(), { ...anothers, message: /belongs to the node 'a'/ })
  await server.start()
})

t.test('a doubled id is refused, also when the first server does not run', async t => {
  const { open } = await openServers(t)
  const first = open('a', 'one')
  await first.start()
  const twin = open('a', 'two')
  const doubled = { ...anothers, message: /'a' belongs to another data folder, .* started on / }
  await t.rejects(twin.start(), doubled, 'while it runs')
  await first.stop()
  await t.rejects(twin.start(), doubled, 'when it does not')
  await open('b', 'two').start()
  await first.start()
})

t.test('a wiped data folder is refused, until it takes the identity', async t => {
  const { open, folder } = await openServers(t)
  const server = open('a', 'one')
  await server.start()
  await server.stop()
  await rm(join(folder, 'one'), { recursive: true })
  await t.rejects(server.start(), { ...anothers, message: /--take-identity$/ })
  await server.start({ takeIdentity: true })
  await server.stop()
  await server.start()
})

t.test('an identity is not taken from a live server', async t => {
  const { open } = await openServers(t)
  const first = open('a', 'one')
  await first.start()
  const other = open('a', 'two')
  await t.rejects(other.start({ takeIdentity: true }), { code: 'CW_NODE_ID_TAKEN' })
  await first.stop()
  await other.start({ takeIdentity: true })
  await other.stop()
  await t.rejects(first.start(), anothers, 'which is then the one that is refused')
})

t.test('of two copies of one data folder, as of a cloned machine, one may run', async t => {
  const { open, folder } = await openServers(t)
  const first = open('a', 'one')
  await first.start()
  await cp(join(folder, 'one'), join(folder, 'two'), { recursive: true })
  const copy = open('a', 'two')
  await t.rejects(copy.start(), { code: 'CW_NODE_ID_TAKEN', field: 'nodeId' })
  await first.stop()
  await copy.start({ takeIdentity: true })
  await copy.stop()
  await t.rejects(first.start(), anothers, 'to take it settles which one it is')
})

t.test('two servers of one program need two data folders', async t => {
  const { open } = await openServers(t)
  const [first, second] = [open('a', 'one'), open('b', 'one')]
  await first.start()
  await t.rejects(second.start(), {
    code: 'CW_DATA_DIR_TAKEN',
    field: 'dataDir',
    message: /another live server of this machine uses the data folder .*one; .*--data-dir/,
  })
  await open('b', 'two').start()
})

t.test('one folder may serve several databases, one after the other', async t => {
  const { open, pool } = await openServers(t)
  const options = { pool, schema: 'second' }
  const second = open('a', 'one', options)
  await second.migrate()
  for (const server of [open('a', 'one'), second, open('a', 'one')]) {
    await server.start()
    await server.stop()
  }
})

t.test('a server that could not start leaves the folder to others', async t => {
  const { open, folder } = await openServers(t)
  await writeFile(join(folder, 'file'), '')
  await t.rejects(open('a', 'file').start(), { code: 'CW_DATA_DIR' })
  const lost = open('a', 'one', { connectionString: 'postgresql://nobody@127.0.0.1:1/none' })
  await t.rejects(lost.start(), { code: 'CW_CONNECTION' })
  await open('a', 'one').start()
})

t.test('a bound that is too short to stop everything is refused', async t => {
  const { open } = await openServers(t)
  await t.rejects(open('a', 'one', { lostAfter: '1s' }).start(), {
    code: 'CW_OPTION',
    field: 'lostAfter',
  })
  await open('a', 'one', { profile: 'fast' }).start()
})
