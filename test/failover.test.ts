import t from 'tap'
import type { Test } from 'tap'
import { call, Cluster, defineProcess } from '../lib/index.ts'
import { startReplication, type Replica } from './support/standby.ts'
import { until } from './support/until.ts'

const lostAfterMs = 5000

/** Two servers, one of which runs a request until it is let go. */
async function startServers(t: Test, url: string) {
  const held = Promise.withResolvers<void>()
  const running = Promise.withResolvers<string>()
  const troubles: string[] = []
  let starts = 0
  const processes = [
    defineProcess({
      name: 'held',
      steps: [
        call('hold', async ({ node }) => {
          starts++
          running.resolve(node)
          await held.promise
          return node
        }),
      ],
    }),
    defineProcess({ name: 'quick', steps: [call('nothing', () => 1)] }),
  ]
  const clusters = ['one', 'two'].map(nodeId => {
    const dataDir = t.testdir({ one: {}, two: {} })
    const cluster = new Cluster({
      connectionString: url,
      nodeId,
      lostAfter: lostAfterMs,
      processes,
      dataDir: `${dataDir}/${nodeId}`,
      retention: 'forever',
    })
    cluster.on('declaredLost', lost => troubles.push(`lost ${lost.node}`))
    cluster.on('fenced', reason => troubles.push(reason.message))
    return cluster
  })
  const [first] = clusters as [Cluster]
  await first.migrate()
  for (const cluster of clusters) await cluster.start()
  t.teardown(async () => {
    held.resolve()
    await Promise.all(clusters.map(cluster => cluster.stop({ drain: 0 })))
  })
  const { id } = await first.enqueue('held')
  const node = await running.promise
  const countStarts = (): number => starts
  return { first, clusters, troubles, id, node, release: held.resolve, countStarts }
}

/** Enqueues by SQL, and resolves with the milliseconds until a server has claimed it. */
async function measureClaim(replica: Replica, clusters: readonly Cluster[]): Promise<number> {
  const claimed = new Set<string>()
  for (const cluster of clusters)
    cluster.on('claimed', ({ ids }) => ids.forEach(id => claimed.add(id)))
  const beganAt = performance.now()
  const [row] = await replica.ask<{ id: string }>(
    `select cluster_worker.enqueue('quick', '{}')::text as id`,
  )
  await until(async () => claimed.has(row?.id ?? ''))
  return performance.now() - beganAt
}

t.test('a promotion of a synchronous standby fails nothing, and claims resume', async t => {
  const { primary, standby, url } = await startReplication(t)
  const { first, clusters, troubles, id, node, release, countStarts } = await startServers(t, url)
  await primary.stop('kill')
  await standby.promote()
  const ms = await measureClaim(standby, clusters)
  t.comment(`claimed ${Math.round(ms)} ms after the promotion`)
  t.ok(ms < 1500, 'claims resume')
  await primary.start()
  t.match(await first.get(id), { state: 'running', node })
  release()
  t.match(await first.wait(id), { outcome: 'succeeded', node, result: node })
  t.equal(countStarts(), 1)
  t.same(troubles, [])
})

t.test('a restart of the database that takes a while fails nothing, and claims resume', async t => {
  const { primary, url } = await startReplication(t, { synchronous: false })
  const servers = await startServers(t, url)
  const { first, clusters, troubles, id, node, release, countStarts } = servers
  await primary.stop('fast')
  // The one that runs nothing.
  const [other] = clusters.filter(({ nodeId }) => nodeId !== node)
  const leaving = other?.stop()
  const stoppedAt = performance.now()
  // Longer than anybody may be silent while the database is there.
  await until(async () => performance.now() - stoppedAt > 1.5 * lostAfterMs)
  await primary.start()
  const ms = await measureClaim(primary, clusters)
  t.comment(`claimed ${Math.round(ms)} ms after the restart`)
  t.ok(ms < 1500, 'claims resume')
  await leaving
  const states = await primary.ask(
    `select state, count(*)::int from cluster_worker.incarnation group by 1 order by 1`,
  )
  t.same(states, [
    { state: 'alive', count: 1 },
    { state: 'left', count: 1 },
  ])
  release()
  t.match(await first.wait(id), { outcome: 'succeeded', node, result: node })
  t.equal(countStarts(), 1)
  t.same(troubles, [])
})
