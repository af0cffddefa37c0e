import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { recordDeployment, undoDeployment } from '../../lib/db/component/inventory.ts'
import { Cluster } from '../../lib/index.ts'
import { startServer } from '../compensation/start-server.ts'
import { makeFolder } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { openDatabase } from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'
import { openComponents } from './open-components.ts'

t.setTimeout(60_000)

const pausing = `
  create function pause() returns trigger language plpgsql as $$ begin
    perform pg_advisory_xact_lock(77); return null; end $$;
  create constraint trigger pause after insert on cluster_worker.inventory
    deferrable initially deferred for each row execute function pause()`

t.test('a server is lost when the line is there, and the step is not recorded', async t => {
  const database = await createDatabase(t)
  const { url, pool } = database
  const { components, ...cluster } = openCluster(pool)
  const folder = await makeFolder(t)
  for (const version of ['1.0.0', '2.0.0']) {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'file'), version)
  }
  const program = new URL('deploy-server.ts', import.meta.url)
  const kill = await startServer(t, { url, node: 'a', program })
  await components.apply({ name: 'app', source: { type: 'folder', path: folder } })
  await components.check('app')
  for (const version of ['1.0.0', '2.0.0']) {
    await components.import('app', version)
    await components.waitForImport('app', version)
  }
  const first = await cluster.enqueue('deploy', { version: '1.0.0' })
  t.match(await cluster.wait(first), { outcome: 'succeeded', result: { previous: null } })

  const db = openDatabase(t, url, { connections: 1 })
  const admin = await database.connect()
  await admin.query(pausing)
  await admin.query('select pg_advisory_lock(77)')
  const second = await cluster.enqueue('deploy', { version: '2.0.0' })
  await untilBlocked(db)
  kill()
  await admin.query('select pg_advisory_unlock(77)')
  const lost = await cluster.wait(second)
  t.match(lost, { reason: 'server_lost', compensatedBy: String })
  t.match(await components.inventory(), [{ version: '2.0.0', requestId: second }], 'still')
  await startServer(t, { url, node: 'b', program })
  t.match(await cluster.wait(lost.compensatedBy ?? ''), {
    outcome: 'succeeded',
    steps: [{ phase: 'undo', name: 'artifact app deployed', state: 'succeeded' }],
  })
  t.match(await components.inventory(), [{ version: '1.0.0', requestId: first }])
  t.match(await components.inventory({ history: true }), [
    { version: '2.0.0', undoneAt: Date, requestId: second },
    { version: '1.0.0', undoneAt: null },
  ])
})

function openCluster(pool: Awaited<ReturnType<typeof createDatabase>>['pool']) {
  const cluster = new Cluster({ pool })
  return {
    components: cluster.components,
    enqueue: async (process: string, input: object) => (await cluster.enqueue(process, input)).id,
    wait: (id: string) => cluster.wait(id),
  }
}

t.test('a line comes before its request is declared lost, or not at all', async t => {
  const { db, query, session, addVersion, addStep, componentId } = await openComponents(t)
  await addVersion('1')
  const by = await addStep()
  const about = { target: 'web', componentId, version: '1', by }
  t.equal(await recordDeployment(db, { ...about, version: '2' }), 'unknown version')
  const holder = await session()
  let recording: Promise<unknown> | undefined
  await holder.transaction(async () => {
    await holder.query({ text: 'delete from cluster_worker.running' })
    recording = recordDeployment(db, about)
    await untilBlocked(db)
  })
  t.equal(await recording, 'not running')
  t.equal(await recordDeployment(db, about), 'not running')
  t.strictSame(await query('select from $s.inventory'), [])
})

t.test('an undo waits for a line whose answer was lost', async t => {
  const { db, query, session, addVersion, addStep, componentId } = await openComponents(t)
  const versionId = await addVersion('1')
  const [by, other] = [await addStep(), await addStep()]
  await recordDeployment(db, { target: 'web', componentId, version: '1', by: other })
  const holder = await session()
  let undoing: Promise<void> | undefined
  await holder.transaction(async () => {
    await holder.query({
      text: `
        with run as (select id from cluster_worker.running where id = $1 for key share)
        insert into cluster_worker.inventory (target, component_id, version_id, request_id, step)
        select 'web', $2, $3, id, $4 from run`,
      values: [by.requestId, componentId, versionId, by.step],
    })
    undoing = undoDeployment(db, by)
    await untilBlocked(db)
  })
  await undoing
  const left = 'select request_id from $s.inventory where undone_at is null'
  t.strictSame(await query(left), [{ request_id: other.requestId }])
  await undoDeployment(db, by)
  await undoDeployment(db, { ...other, step: 'another' })
  t.equal((await query(left)).length, 1, 'a step takes back its own lines')
})
