import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Database } from '../lib/db/database.ts'
import { declareLost } from '../lib/db/incarnations.ts'
import { call, command, defineProcess } from '../lib/index.ts'
import { readProcess } from '../lib/step/process-list.ts'
import { startCluster } from './support/start-cluster.ts'
import { until } from './support/until.ts'

t.test('a server that was declared lost stops its work at once, and can start anew', async t => {
  const undoneFor: (string | undefined)[] = []
  const stubborn = defineProcess({
    name: 'stubborn',
    steps: [
      call('first', () => 1, { undo: ({ compensates }) => void undoneFor.push(compensates) }),
      command('ignore', { shell: 'trap "" TERM; echo deaf; sleep 60 & wait; sleep 60' }),
    ],
  })
  const { cluster, url } = await startCluster(t, [stubborn], { lostAfter: '2s', killGrace: '1h' })
  const { id } = await cluster.enqueue(stubborn)
  for await (const { text } of cluster.logs(id, { follow: true })) if (text === 'deaf\n') break
  // It is being stopped politely when the server is lost.
  await cluster.cancel(id)
  const db = openDatabase(url)
  const [{ incarnation } = { incarnation: '' }] = await cluster.nodes()
  const fenced = once(cluster, 'fenced')
  t.same(await declareLost(db, incarnation, 'another server'), [id])
  t.match(await fenced, [{ code: 'CW_NODE_LOST' }])
  const lost = await cluster.get(id)
  t.match(lost, { outcome: 'failed', reason: 'server_lost' })
  t.same(undoneFor, [], 'it undoes nothing any more')
  await cluster.start()
  await cluster.wait(lost.compensatedBy ?? '')
  t.same(undoneFor, [id], 'the compensation does')
  t.match(await cluster.nodes(), [{ node: 'a', state: 'active' }])
  await db.close()
})

t.test('it stops the programs of its sources as well, without any guardian', async t => {
  const { cluster, url } = await startCluster(t, [], { guardian: false, lostAfter: '2s' })
  const pidFile = join(t.testdir(), 'pid')
  const script = `trap "" TERM; echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; sleep 1000 & wait; sleep 1000`
  await cluster.components.apply({
    name: 'app',
    source: { type: 'command', list: ['echo', '1'], fetch: ['/bin/sh', '-c', script] },
  })
  await until(async () => existsSync(pidFile))
  const pid = Number(readFileSync(pidFile, 'utf8'))
  t.type(readProcess(pid), 'object')
  const [{ incarnation } = { incarnation: '' }] = await cluster.nodes()
  const failed = once(cluster, 'importFailed')
  const stopped = once(cluster, 'stopped')
  const db = openDatabase(url)
  await declareLost(db, incarnation, 'another server')
  t.match(await failed, [{ error: { code: 'CW_NODE_LOST' } }], 'at once, and not when it stops')
  await stopped
  t.equal(readProcess(pid), undefined)
  await db.close()
})

function openDatabase(connectionString: string): Database {
  return new Database({
    connectionString,
    schema: 'cluster_worker',
    applicationName: 'other',
    maxConnections: 1,
  })
}
