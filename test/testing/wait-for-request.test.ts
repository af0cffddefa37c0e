import t from 'tap'
import { call, command, defineProcess } from '../../lib/index.ts'
import { waitForRequest } from '../../lib/testing/index.ts'
import { startCluster } from '../support/start-cluster.ts'

const work = defineProcess({
  name: 'work',
  steps: [
    call('prepare', () => 1),
    command('build', { shell: 'echo compiling; echo "no space left" >&2; exit 3' }),
  ],
})
const { promise: gate, resolve: openGate } = Promise.withResolvers<void>()
const waits = defineProcess({ name: 'waits', steps: [call('wait', () => gate)] })

t.test('gives the request, by its id or its process, in the state that is asked for', async t => {
  const { cluster } = await startCluster(t, [work, waits], { guardian: false })
  const later = waitForRequest(cluster, { process: 'waits' }, { state: 'running' })
  const { id } = await cluster.enqueue(waits)
  t.match(await later, { id, state: 'running', node: 'a' })
  await t.rejects(waitForRequest(cluster, id, { timeout: '1ms' }), {
    code: 'CW_WAIT_TIMEOUT',
    message:
      /^request \d+ \(waits\) is not finished within 0.001 s: it is running on the server a\n.*\nservers: a is active and runs 1$/s,
  })
  openGate()
  t.match(await waitForRequest(cluster, { process: 'waits' }), { id, outcome: 'succeeded' })
})

t.test('says all that is known of a request that does not come', async t => {
  const { cluster } = await startCluster(t, [work], { guardian: false })
  await t.rejects(waitForRequest(cluster, { process: 'work' }, { timeout: '1ms' }), {
    message: /^a request of 'work' is not finished within 0.001 s: there is none\n/,
  })
  const { id } = await cluster.enqueue(work)
  await waitForRequest(cluster, id)
  await t.rejects(waitForRequest(cluster, id, { state: 'running' }), {
    code: 'CW_WAIT_TIMEOUT',
    message: new RegExp(
      [
        `^request ${id} \\(work\\) is not running any more: it has failed with the reason step_failed: .*`,
        'steps:',
        '  prepare: succeeded',
        '  build: failed \\(.*\\)',
        'the end of its output:',
        'compiling',
        'no space left',
        'servers: a is active and runs 0$',
      ].join('\\n'),
    ),
  })
  const future = new Date(4_000_000_000_000)
  const scheduled = await cluster.enqueue(work, undefined, { runAt: future })
  await t.rejects(waitForRequest(cluster, scheduled.id, { timeout: '1ms' }), {
    message: new RegExp(`it is scheduled for ${future.toISOString()}\\nno step has been recorded`),
  })
  await cluster.stop()
  const queued = await cluster.enqueue(work)
  await t.rejects(waitForRequest(cluster, queued.id, { timeout: '1ms' }), {
    message: /it waits in the queue for a server .*servers: a is left and runs 0$/s,
  })
  await t.rejects(waitForRequest(cluster, '999999'), { code: 'CW_REQUEST_UNKNOWN' })
})
