import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { call, Cluster, defineProcess, type ClusterOptions } from '../../lib/index.ts'
import { makeFolder } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

t.setTimeout(60_000)

const hello = defineProcess({ name: 'hello', steps: [call('greet', ({ node }) => node)] })

/** A process whose requests run until they are let go. */
function makeGate() {
  const gate = Promise.withResolvers<void>()
  const hold = defineProcess({ name: 'hold', steps: [call('wait', () => gate.promise)] })
  return { hold, open: gate.resolve }
}

type Start = (nodeId: string, options?: Partial<ClusterOptions>) => Promise<Cluster>

/** Starts any number of servers of one database. */
async function openCluster(t: Test): Promise<{ start: Start; operator: Cluster }> {
  const { url, pool } = await createDatabase(t)
  const folder = await makeFolder(t)
  const operator = new Cluster({ pool, nodeId: 'operator' })
  return {
    operator,
    async start(nodeId, options = {}) {
      const cluster = new Cluster({
        connectionString: url,
        nodeId,
        dataDir: join(folder, nodeId),
        retention: 'forever',
        profile: 'fast',
        pollInterval: '200ms',
        guardian: false,
        processes: [hello],
        ...options,
      })
      t.teardown(() => cluster.stop({ drain: 0 }))
      await cluster.start()
      return cluster
    },
  }
}

const standby = { role: 'standby' } as const

async function stateOf(operator: Cluster, node: string): Promise<string> {
  return (await operator.node(node)).state
}

async function runHello(operator: Cluster): Promise<unknown> {
  const { id } = await operator.enqueue('hello')
  return (await operator.wait(id)).result
}

t.test('a standby waits, takes over when the active server leaves, and hands back', async t => {
  const { start, operator } = await openCluster(t)
  const a = await start('a')
  const b = await start('b', standby)
  t.match(await operator.nodes(), [
    { node: 'a', role: 'active', state: 'active' },
    { node: 'b', role: 'standby', state: 'standby', reasons: [{ kind: 'standby', who: 'b' }] },
  ])
  t.equal(await runHello(operator), 'a')
  const tookOver = once(b, 'tookOver')
  await a.stop()
  t.same(await tookOver, [{ node: 'b' }])
  t.equal(await runHello(operator), 'b')
  t.match(await operator.node('b'), { role: 'standby', state: 'active', reasons: [] })
  const handedBack = once(b, 'handedBack')
  await a.start()
  t.same(await handedBack, [{ node: 'b' }])
  t.equal(await runHello(operator), 'a')
  t.match(await operator.node('b'), {
    state: 'standby',
    history: [
      { state: 'handed-back', who: 'b' },
      { state: 'took-over', reason: 'no other server claims' },
      { state: 'joined', reason: 'as a standby' },
    ],
  })
})

t.test('what runs on a standby that hands back goes on there', async t => {
  const { start, operator } = await openCluster(t)
  const { hold, open } = makeGate()
  const b = await start('b', { ...standby, processes: [hold] })
  const { id } = await operator.enqueue('hold')
  await until(async () => (await operator.get(id)).state === 'running')
  const handedBack = once(b, 'handedBack')
  await start('a')
  await handedBack
  t.match(await operator.node('b'), { state: 'standby', running: 1 })
  open()
  t.match(await operator.wait(id), { outcome: 'succeeded' })
})

t.test('a standby does not wait for what runs on an active server that is stopping', async t => {
  const { start, operator } = await openCluster(t)
  const { hold, open } = makeGate()
  const a = await start('a', { processes: [hold] })
  await start('b', standby)
  const { id } = await operator.enqueue('hold')
  await until(async () => (await operator.get(id)).state === 'running')
  const stopping = a.stop()
  t.equal(await runHello(operator), 'b')
  t.match(await operator.get(id), { state: 'running' })
  open()
  await stopping
})

t.test('a suspended active server counts as none; a suspended standby takes no turn', async t => {
  const { start, operator } = await openCluster(t)
  await start('a')
  await start('b', standby)
  const c = await start('c', standby)
  await operator.suspend('b')
  const tookOver = once(c, 'tookOver')
  await operator.suspend('a')
  await tookOver
  t.equal(await runHello(operator), 'c')
  t.match(await operator.node('b'), { state: 'suspended', reasons: [{}, { kind: 'operator' }] })
  t.match(await operator.resume('b'), { remaining: [{ kind: 'standby' }] })
  t.equal(await stateOf(operator, 'b'), 'standby')
  const handedBack = once(c, 'handedBack')
  await operator.resume('a')
  await handedBack
})

t.test('of two standbys one takes over, and the other one when that is gone, too', async t => {
  const { start, operator } = await openCluster(t)
  const a = await start('a')
  const both = [await start('b', standby), await start('c', standby)] as const
  const taken = Promise.race(both.map(one => once(one, 'tookOver').then(() => one)))
  await a.stop()
  const first = await taken
  const second = first === both[0] ? both[1] : both[0]
  t.equal(await runHello(operator), first.nodeId)
  t.equal(await stateOf(operator, second.nodeId), 'standby')
  const tookOver = once(second, 'tookOver')
  await first.stop()
  await tookOver
  t.equal(await runHello(operator), second.nodeId)
})

t.test('with handBack: manual it claims on, until somebody suspends it', async t => {
  const { start, operator } = await openCluster(t)
  const b = await start('b', { ...standby, handBack: 'manual' })
  await runHello(operator)
  await start('a')
  t.equal(await stateOf(operator, 'b'), 'active')
  const handedBack = once(b, 'handedBack')
  await operator.suspend('b', { who: 'ada' })
  await handedBack
  t.match(await operator.node('b'), {
    state: 'suspended',
    reasons: [{ kind: 'operator' }, { kind: 'standby' }],
  })
  t.match(await operator.resume('b'), { remaining: [{ kind: 'standby' }] })
  t.equal(await stateOf(operator, 'b'), 'standby')
  const tookOver = once(b, 'tookOver')
  t.match(await operator.resume('b', { all: true }), { answer: 'acknowledged', remaining: [] })
  await tookOver
  t.equal(await stateOf(operator, 'b'), 'active', 'by hand, beside an active server')
})

t.test('a server that is no standby any more claims', async t => {
  const { start, operator } = await openCluster(t)
  const a = await start('a')
  const b = await start('b', standby)
  await b.stop()
  await a.stop()
  await start('b')
  t.match(await operator.node('b'), { role: 'active', state: 'active', reasons: [] })
  t.equal(await runHello(operator), 'b')
})

t.test('every server warns when no standby is alive, and when nobody claims', async t => {
  const { start, operator } = await openCluster(t)
  const a = await start('a')
  const b = await start('b', standby)
  const noStandby = once(a, 'noStandby')
  await b.stop()
  t.same(await noStandby, [])
  const noActive = once(a, 'noActive')
  await operator.suspend('a')
  t.same(await noActive, [])
})
