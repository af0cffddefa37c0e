import { once } from 'node:events'
import t from 'tap'
import { call, command, defineProcess, type Cluster } from '../../lib/index.ts'
import { startCluster } from '../support/start-cluster.ts'

const began = new EventTarget()

const long = defineProcess({
  name: 'long',
  steps: [
    call('prepare', () => 1, { undo: c => c.log('prepare undone') }),
    call('tell', () => void began.dispatchEvent(new Event('begun'))),
    command('sleep', { shell: 'trap "" TERM; sleep 60 & sleep 60' }),
  ],
  onFailure: [call('page', () => 'paged')],
})

const late = defineProcess({
  name: 'late',
  steps: [command('sleep', { run: ['sleep', '60'], timeout: '50ms' })],
})

const deaf = defineProcess({
  name: 'deaf',
  steps: [
    call('never ends', () => {
      began.dispatchEvent(new Event('begun'))
      return new Promise<never>(() => undefined)
    }),
  ],
})

async function startLong(cluster: Cluster, process = 'long'): Promise<string> {
  const begun = once(began, 'begun')
  const { id } = await cluster.enqueue(process)
  await begun
  return id
}

const options = { killGrace: '100ms', pollInterval: '50ms' } as const

t.test(
  'cancel stops the step with all that it started, undoes, and runs no on-failure step',
  async t => {
    const { cluster } = await startCluster(t, [long], options)
    const id = await startLong(cluster)
    t.equal(await cluster.cancel(id), 'requested')
    const record = await cluster.wait(id)
    t.match(record, { outcome: 'cancelled', reason: null, error: { code: 'CW_CANCELLED' } })
    t.same(
      record.steps.map(step => `${step.phase} ${step.name}: ${step.state}`),
      [
        'step prepare: succeeded',
        'step tell: succeeded',
        'step sleep: cancelled',
        'undo prepare: succeeded',
      ],
    )
    t.equal(await cluster.cancel(id), 'finished')
  },
)

t.test('a cancel is found by polling too', async t => {
  const { cluster } = await startCluster(t, [long], { ...options, listen: false })
  const id = await startLong(cluster)
  await cluster.cancel(id)
  t.equal((await cluster.wait(id)).outcome, 'cancelled')
})

t.test('a waiting request is cancelled at once', async t => {
  const { cluster } = await startCluster(t, [long], options)
  const { id } = await cluster.enqueue(long, {}, { runAt: '2999-01-01T00:00:00Z' })
  t.equal((await cluster.get(id)).state, 'scheduled')
  t.equal(await cluster.cancel(id), 'cancelled')
  t.match(await cluster.get(id), { state: 'finished', outcome: 'cancelled', startedAt: null })
})

t.test('a timeout fails the step', async t => {
  const { cluster } = await startCluster(t, [late], options)
  const { id } = await cluster.enqueue('late')
  t.match(await cluster.wait(id), {
    outcome: 'failed',
    reason: 'step_timeout',
    error: { code: 'CW_STEP_TIMEOUT', step: 'sleep' },
  })
})

t.test('stop waits for what runs, then stops its step and still undoes', async t => {
  const { cluster } = await startCluster(t, [long], options)
  const id = await startLong(cluster)
  await cluster.stop({ drain: '20ms' })
  const record = await cluster.get(id)
  t.match(record, { outcome: 'failed', reason: 'server_stopped' })
  t.match(record.steps.at(-2), { phase: 'undo', name: 'prepare', state: 'succeeded' })
  t.match(record.steps.at(-1), { phase: 'on_failure', name: 'page', state: 'succeeded' })
  t.match(await cluster.nodes(), [{ node: 'a', state: 'left', running: 0, failed: 1 }])
  await cluster.stop()
})

t.test('a second stop shortens a first one that waits', async t => {
  const { cluster } = await startCluster(t, [long], options)
  const id = await startLong(cluster)
  const patient = cluster.stop()
  await cluster.stop({ drain: 0 })
  await patient
  t.equal((await cluster.get(id)).reason, 'server_stopped')
  await cluster.stop()
})

t.test('a function that never ends does not keep the server', async t => {
  const { cluster } = await startCluster(t, [deaf], options)
  const id = await startLong(cluster, 'deaf')
  await cluster.stop({ drain: 0 })
  t.equal((await cluster.get(id)).reason, 'server_stopped')
  await cluster.stop()
})

t.test('a server that has stopped can start again, as a new incarnation', async t => {
  const { cluster } = await startCluster(t, [late], options)
  const [first] = await cluster.nodes()
  await cluster.stop()
  await cluster.start()
  const [second] = await cluster.nodes()
  t.match(second, { node: 'a', state: 'active' })
  t.ok(Number(second?.incarnation) > Number(first?.incarnation))
})
