import { performance } from 'node:perf_hooks'
import t from 'tap'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { Cluster } from '../../lib/index.ts'
import { createDatabase } from '../support/database.ts'
import { startServer as startOwnPostgres } from '../support/server.ts'
import { until } from '../support/until.ts'
import { isAlive } from './marked.ts'
import { startServer } from './server-process.ts'

/** A process that only SIGKILL ends. One without an environment is found by its command line. */
const deaf = 'trap "" TERM HUP INT; while :; do tail -f /dev/null MARK 2>/dev/null; done'

/** All that a command can do to get away: 13 processes. */
const tree = `
  trap "" TERM
  sh -c '${deaf}' &
  (setsid nohup sh -c '${deaf}' >/dev/null 2>&1 &) &
  (setsid sh -c '(setsid sh -c "$DEAF" &)' </dev/null) &
  env -i sh -c '${deaf}' &
  timeout 1000 env -i sh -c '${deaf}' &
  while :; do sleep 1000; done`.replace('\n', `\n  export DEAF='${deaf}'\n`)

const lost = {
  outcome: 'failed',
  reason: 'server_lost',
  error: {
    code: 'CW_NODE_LOST',
    message: 'the server a was lost while it ran this request (noticed by its guardian)',
  },
}

t.test('when a server is killed, its commands are gone before its requests fail', async t => {
  const server = await startServer(t, { shells: { tree: [tree], flat: ['exec sleep 1000'] } })
  const guardian = await server.waitForGuardian()
  const ids = [await server.begin('flat', 1), await server.begin('tree', 14)]
  // A step is in the record only when it has run for a moment.
  for (const id of ids) await until(async () => (await server.cluster.get(id)).steps.length > 0)
  const killedAt = performance.now()
  server.kill('SIGKILL')
  for (const id of ids) {
    t.strictSame(await server.watchEnd(id), [], 'no process is left')
    t.match(await server.cluster.get(id), {
      ...lost,
      steps: [{ state: 'failed', error: lost.error }],
    })
  }
  t.ok(performance.now() - killedAt < 10_000, 'the others would have waited for 30 s')
  await until(async () => !isAlive(guardian))
  t.match(await server.cluster.nodes(), [{ node: 'a', state: 'lost' }])
})

t.test('what a finished request left behind goes on, what a running one left does not', async t => {
  const service = 'setsid sleep 1000 >/dev/null 2>&1 &'
  const server = await startServer(t, {
    shells: { deploy: [service], work: [service, 'exec sleep 1000'] },
  })
  const { id: deployed } = await server.cluster.enqueue('deploy')
  t.match(await server.cluster.wait(deployed), { outcome: 'succeeded' })
  const [left] = server.commands()
  const working = await server.begin('work', 3)
  server.kill('SIGKILL')
  t.strictSame(await server.watchEnd(working), [left])
  t.match(await server.cluster.get(working), lost)
})

t.test('a server that is killed while it starts commands leaves none behind', async t => {
  const { url } = await createDatabase(t)
  for (let round = 0; round < 5; round++) {
    const server = await startServer(t, {
      url,
      nodeId: `n${round}`,
      shells: { quick: Array.from({ length: 50 }, () => 'sleep 0.001') },
      concurrency: 4,
    })
    const requests = Array.from({ length: 4 }, () => ({ process: 'quick' }))
    const ids = (await server.cluster.enqueueMany(requests)).map(({ id }) => id)
    await until(async () => {
      const { steps } = await server.cluster.get(ids[0] ?? '')
      return steps.filter(step => step.state === 'succeeded').length > round
    })
    server.kill('SIGKILL')
    for (const id of ids) t.strictSame(await server.watchEnd(id), [])
  }
})

t.test('a loss is reported when the database is back', async t => {
  const postgres = await startOwnPostgres(t)
  const setUp = new Cluster({ connectionString: postgres.url })
  await setUp.migrate()
  await setUp.stop()
  const server = await startServer(t, { url: postgres.url, shells: { long: ['exec sleep 1000'] } })
  const guardian = await server.waitForGuardian()
  const id = await server.begin('long', 1)
  await postgres.stop('fast')
  server.kill('SIGKILL')
  await until(async () => server.commands().length === 0)
  t.ok(isAlive(guardian), 'it has something to report still')
  const again = await startPostgres({ folder: postgres.folder, durable: false })
  t.equal(again.url, postgres.url)
  await server.watchEnd(id)
  t.match(await server.cluster.get(id), lost)
  await until(async () => !isAlive(guardian))
})
