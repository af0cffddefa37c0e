import { once } from 'node:events'
import t from 'tap'
import { call, Cluster, defineProcess } from '../lib/index.ts'
import { startCluster } from './support/start-cluster.ts'
import { until } from './support/until.ts'

/** A process whose requests run until they are let go. */
function makeGate() {
  const gate = Promise.withResolvers<void>()
  const hold = defineProcess({ name: 'hold', steps: [call('wait', () => gate.promise)] })
  return { hold, open: gate.resolve }
}

const hello = defineProcess({ name: 'hello', steps: [call('greet', () => 'hello')] })

t.test('a suspended server claims nothing until it is resumed, and says why', async t => {
  const { cluster } = await startCluster(t, [hello])
  const about = { reason: 'new disk', who: 'ada@desk' }
  t.equal(await cluster.suspend('a', about), 'acknowledged')
  const { id } = await cluster.enqueue(hello)
  t.match(await cluster.nodes(), [
    { node: 'a', state: 'suspended', reasons: [{ kind: 'operator', ...about, until: null }] },
  ])
  t.match(await cluster.get(id), { state: 'queued' })
  t.match(await cluster.resume('a', { who: 'eve@desk' }), {
    answer: 'acknowledged',
    cleared: [{ kind: 'operator', ...about, clearedBy: 'eve@desk' }],
    remaining: [],
  })
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
  t.match(await cluster.node('a'), {
    state: 'active',
    reasons: [],
    suspensions: [{ clearedBy: 'eve@desk' }],
    history: [
      { state: 'resumed', who: 'eve@desk' },
      { state: 'suspended', reason: 'new disk', who: 'ada@desk' },
      { state: 'joined', who: 'a' },
    ],
  })
})

t.test('what runs on a suspended server goes on', async t => {
  const { hold, open } = makeGate()
  const { cluster } = await startCluster(t, [hold])
  const { id } = await cluster.enqueue(hold)
  await until(async () => (await cluster.get(id)).state === 'running')
  t.equal(await cluster.suspend('a'), 'acknowledged')
  t.match(await cluster.node('a'), { running: 1, requests: [{ id, process: 'hold' }] })
  open()
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
})

t.test('suspended at once, a server stops and undoes what runs before it answers', async t => {
  const undone: string[] = []
  const hold = defineProcess({
    name: 'hold',
    steps: [
      call('first', () => 1, { undo: () => void undone.push('first') }),
      call('wait', ({ signal }) => once(signal, 'abort')),
    ],
  })
  const { cluster } = await startCluster(t, [hold])
  const { id } = await cluster.enqueue(hold)
  await until(async () => (await cluster.node('a')).running === 1)
  t.equal(await cluster.suspend('a', { atOnce: true, who: 'ada' }), 'acknowledged')
  t.same(undone, ['first'])
  t.match(await cluster.get(id), {
    outcome: 'failed',
    reason: 'server_stopped',
    error: {
      message: 'the server a stopped the step before it ended, because ada suspended it at once',
    },
  })
})

t.test('a suspension survives a restart of the server', async t => {
  const { cluster } = await startCluster(t, [hello])
  await cluster.suspend('a')
  await cluster.stop()
  t.equal(await cluster.suspend('a', { reason: 'again' }), 'gone')
  t.match(await cluster.nodes(), [
    { state: 'left', reasons: [{ reason: '' }, { reason: 'again' }] },
  ])
  const suspended = once(cluster, 'suspended')
  await cluster.start()
  const { id } = await cluster.enqueue(hello)
  t.match(await suspended, [{ node: 'a', reasons: [{}, { kind: 'operator', reason: 'again' }] }])
  t.match(await cluster.get(id), { state: 'queued' })
  await cluster.resume('a')
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
})

t.test('a suspension for a while ends by itself', async t => {
  const { cluster } = await startCluster(t, [hello], { listen: false, pollInterval: '50ms' })
  await cluster.suspend('a', { for: '300ms' })
  const { id } = await cluster.enqueue(hello)
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
  t.match(await cluster.node('a'), {
    state: 'active',
    suspensions: [{ clearedBy: 'its time' }],
    history: [{ state: 'resumed', who: 'its time' }, { state: 'suspended' }, { state: 'joined' }],
  })
})

t.test('drain answers when nothing runs any more; the server stays suspended', async t => {
  const { hold, open } = makeGate()
  const { cluster } = await startCluster(t, [hold, hello])
  const { id } = await cluster.enqueue(hold)
  await until(async () => (await cluster.node('a')).running === 1)
  await t.rejects(cluster.drain('a', { timeout: '1ms' }), { code: 'CW_WAIT_TIMEOUT' })
  const draining = cluster.drain('a')
  await until(async () => (await cluster.node('a')).state === 'draining')
  open()
  t.equal(await draining, 'drained')
  t.match(await cluster.get(id), { outcome: 'succeeded' })
  t.match(await cluster.nodes(), [{ state: 'suspended', running: 0, reasons: [{ kind: 'drain' }] }])
  t.equal(await cluster.drain('a', { timeout: '30s' }), 'drained', 'once more')
})

t.test('at its deadline, a drain stops what runs; then the server exits', async t => {
  const hold = defineProcess({
    name: 'hold',
    steps: [call('wait', ({ signal }) => once(signal, 'abort'))],
  })
  const { cluster, url } = await startCluster(t, [hold])
  const operator = new Cluster({ connectionString: url, nodeId: 'operator' })
  t.teardown(() => operator.stop())
  const { id } = await cluster.enqueue(hold)
  await until(async () => (await operator.node('a')).running === 1)
  const stopped = once(cluster, 'stopped')
  t.equal(await operator.drain('a', { thenExit: true, deadline: '10ms', who: 'ada' }), 'left')
  await stopped
  t.match(await operator.get(id), { outcome: 'failed', reason: 'server_stopped' })
  t.match(await operator.node('a'), {
    state: 'left',
    reasons: [],
    history: [{ state: 'left' }, { state: 'drained' }, { state: 'draining', who: 'ada' }, {}],
  })
  t.equal(await operator.drain('a', { thenExit: true }), 'gone')
  await cluster.start()
  t.match(await operator.nodes(), [{ state: 'active' }], 'its next life is not concerned')
})

t.test('a drain that somebody takes back says so', async t => {
  const { hold, open } = makeGate()
  const { cluster } = await startCluster(t, [hold])
  await cluster.enqueue(hold)
  await until(async () => (await cluster.node('a')).running === 1)
  const draining = cluster.drain('a')
  await until(async () => (await cluster.node('a')).state === 'draining')
  await cluster.resume('a')
  t.equal(await draining, 'revoked')
  open()
})

t.test('a retired server is drained, and refused when it comes back', async t => {
  const { cluster, url } = await startCluster(t, [hello])
  const operator = new Cluster({ connectionString: url, nodeId: 'operator' })
  t.teardown(() => operator.stop())
  t.equal(await operator.retire('a', { timeout: '1ms', who: 'ada' }), 'retired')
  t.match(await operator.nodes(), [{ state: 'retired' }])
  await t.rejects(cluster.start(), { code: 'CW_NODE_RETIRED' })
  t.match(await operator.resume('a'), { answer: 'gone' })
  await cluster.start()
  t.match(await operator.nodes(), [{ state: 'active' }])
})
