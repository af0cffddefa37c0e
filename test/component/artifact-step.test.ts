import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { artifact, call, defineProcess, deployed, type Process } from '../../lib/index.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until } from '../support/until.ts'
import { MemorySource } from './memory-source.ts'

t.setTimeout(60_000)

/** A server with the component `app`, whose versions 1.0.0, 1.1.0 and 2.0.0 are published. */
async function open(t: Test, processes: readonly Process[]) {
  const source = new MemorySource()
  const { cluster, url } = await startCluster(t, processes, { sources: [source.type] })
  const { components } = cluster
  await components.apply({ name: 'app', source: { type: 'memory' } })
  const publish = async (...names: string[]): Promise<void> => {
    for (const name of names) source.versions.set(name, { 'bin/run': name, 'same.txt': 'same' })
    await components.check('app')
    for (const name of names) {
      await components.import('app', name)
      await components.waitForImport('app', name)
    }
  }
  await publish('1.0.0', '1.1.0', '2.0.0')
  const run = async (process: Process, version: string) => {
    const { id } = await cluster.enqueue(process, { version })
    return cluster.wait(id)
  }
  return { cluster, components, url, publish, run }
}

const take = artifact('app', ({ input }) => input.version, { to: 'app' })

const look = defineProcess({
  name: 'look',
  steps: [
    take,
    call('read', async ({ output, workFolder }) => {
      const { folder, version } = output(take)
      const text = await readFile(join(await workFolder(), 'app/bin/run'), 'utf8')
      return { version, text, isBelow: folder.startsWith(await workFolder()) }
    }),
  ],
})

t.test('a step gets the version that is asked for, whole', async t => {
  const { run } = await open(t, [look])
  const expected: Record<string, string> = {
    latest: '2.0.0',
    '1.0.0': '1.0.0',
    '^1.0': '1.1.0',
    '>=1 <3': '2.0.0',
  }
  for (const [version, name] of Object.entries(expected))
    t.match(await run(look, version), {
      outcome: 'succeeded',
      result: { version: name, text: name, isBelow: true },
      steps: [
        { name: 'artifact app', kind: 'artifact', output: { files: 2, version: name } },
        { name: 'read' },
      ],
      versions: [{ component: 'app', asked: version, version: name }],
    })
  t.match(await run(look, '^3'), {
    outcome: 'failed',
    error: { code: 'CW_VERSION_UNKNOWN', message: /'\^3'/ },
  })
})

t.test('one run gets the same version twice, whatever is published meanwhile', async t => {
  const first = artifact('app', 'latest', { name: 'first', to: 'a' })
  const second = artifact('app', 'latest', { name: 'second', to: 'b' })
  const more = { publish: (): Promise<void> => Promise.reject(new Error('not yet')) }
  const twice = defineProcess({
    name: 'twice',
    steps: [first, call('wait', () => more.publish()), second],
  })
  const { cluster, publish } = await open(t, [twice])
  more.publish = () => publish('3.0.0')
  const { id } = await cluster.enqueue(twice)
  t.match(await cluster.wait(id), {
    steps: [{ output: { version: '2.0.0' } }, {}, { output: { version: '2.0.0' } }],
  })
})

t.test('a version without the status that is asked for is refused', async t => {
  const gated = artifact('app', ({ input }) => input.version, { status: 'passed-qa' })
  const process = defineProcess({ name: 'gated', steps: [gated] })
  const { components, run } = await open(t, [process])
  t.match(await run(process, 'latest'), {
    error: { code: 'CW_VERSION_GATE', message: /app 2\.0\.0 .* 'passed-qa'/ },
  })
  await components.setStatus('app', '1.1.0', 'passed-qa')
  t.match(await run(process, 'latest'), { outcome: 'succeeded', result: { version: '1.1.0' } })
  t.match(await components.version('app', '1.1.0'), { statuses: ['passed-qa'] })
  await components.clearStatus('app', '1.1.0', 'passed-qa')
  t.match(await run(process, '1.1.0'), { error: { code: 'CW_VERSION_GATE' } })
})

t.test('the inventory says what is where, and the way back', async t => {
  const there = deployed(take, 'web')
  const deploy = defineProcess({ name: 'deploy', steps: [take, there] })
  const broken = defineProcess({
    name: 'broken',
    steps: [
      take,
      there,
      call('fail', () => {
        throw new Error('no')
      }),
    ],
  })
  const back = artifact('app', 'previous', { target: 'web' })
  const rollback = defineProcess({ name: 'rollback', steps: [back, deployed(back, 'web')] })
  const { cluster, components, run } = await open(t, [deploy, broken, rollback])
  t.match(await run(deploy, '1.0.0'), { result: { previous: null, target: 'web' } })
  t.match(await run(deploy, '1.1.0'), { result: { previous: '1.0.0' } })
  t.match(await run(broken, '2.0.0'), { outcome: 'failed' })
  t.match(await components.inventory(), [{ target: 'web', component: 'app', version: '1.1.0' }])
  const { id } = await cluster.enqueue(rollback)
  await cluster.wait(id)
  const history = await components.inventory({ target: 'web', history: true })
  t.strictSame(
    history.map(({ version }) => version),
    ['1.0.0', '2.0.0', '1.1.0', '1.0.0'],
  )
  t.ok(history[1]?.undoneAt, 'what failed is marked')
  t.match(await components.inventory({ component: 'app' }), [{ requestId: id }])
})

t.test('a database that breaks off while a step asks it does not end the step', async t => {
  const there = deployed(take, 'web')
  const deploy = defineProcess({ name: 'deploy', steps: [take, there] })
  const { cluster, components, url } = await open(t, [deploy])
  const admin = new Client({ connectionString: url })
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query('begin')
  await admin.query('lock table cluster_worker.version_use')
  const { id } = await cluster.enqueue(deploy, { version: 'latest' })
  await until(async () => {
    const { rows } = await admin.query(
      `select pg_terminate_backend(pid) from pg_locks
       where not granted and relation = 'cluster_worker.version_use'::regclass`,
    )
    return rows.length > 0
  })
  await admin.query('rollback')
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
  t.match(await components.inventory(), [{ target: 'web', version: '2.0.0' }])
})

t.test('what cannot be a step is refused where it is defined', async t => {
  const wrong = { code: 'CW_DEFINITION' }
  t.throws(() => artifact('', 'latest'), wrong)
  t.throws(() => artifact('app', 'latest', { to: '../x' }), wrong)
  t.throws(() => artifact('app', 'latest', { to: '/x' }), wrong)
  t.throws(() => artifact('app', 'latest', { status: [''] }), wrong)
  t.throws(() => artifact('app', 'latest', { sauce: 1 } as object), wrong)
  t.throws(() => deployed(call('x', () => 1) as never, 'web'), wrong)
})
