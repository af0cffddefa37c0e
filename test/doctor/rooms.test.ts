import t from 'tap'
import { PgBoss } from 'pg-boss'
import { checkHousekeeping } from '../../lib/db/doctor/check-housekeeping.ts'
import { checkQueue } from '../../lib/db/doctor/check-queue.ts'
import { checkServers, checkVersions } from '../../lib/db/doctor/check-servers.ts'
import { checkTables } from '../../lib/db/doctor/check-tables.ts'
import type { Database } from '../../lib/db/database.ts'
import { publishProcesses } from '../../lib/db/definitions.ts'
import { tryLock } from '../../lib/db/locks.ts'
import { addLane, addRequests, addRun, addServer, openRooms } from '../support/rows.ts'
import { until } from '../support/until.ts'
import { found, look } from './look.ts'

t.setTimeout(180_000)

t.test('requests that nobody runs', async t => {
  const { db, connect } = await openRooms(t)
  const session = await connect()
  const served = await publish(db, 'a', 'served', '1')
  t.same(await look(db, checkQueue), [])
  const orphan = await addLane(db, 'orphan')
  const [id] = await addRequests(db, { lane: orphan })
  found(t, await look(db, checkQueue), ['warning no-server'])

  await tryLock(session, db.t, 'incarnation', await addServer(db, 'a'))
  t.same(await look(db, checkQueue), [], 'its server may be about to come')
  await age(db, 2)
  const findings = await look(db, checkQueue)
  found(t, findings, ['warning process-unserved'])
  t.match(findings[0], {
    items: [`orphan: 1 waiting, the oldest is ${id}, for 2 min`],
    command: `cluster-worker cancel ${id}`,
  })
  await db.query({ text: `delete from ${db.t.queue}` })

  await addRequests(db, { lane: served })
  await age(db, 9)
  t.same(await look(db, checkQueue), [])
  await age(db, 11)
  found(t, await look(db, checkQueue), ['warning requests-overdue'])
  for (let slot = 0; slot < 10; slot++) await addRun(db, '1', served)
  t.same(await look(db, checkQueue), [], 'all slots are taken')

  await db.query({ text: `delete from ${db.t.queue}; update ${db.t.lane} set published = false` })
  await addRequests(db, { lane: served })
  found(t, await look(db, checkQueue), ['warning process-unserved'])
})

t.test('servers that are gone, and requests that run for nobody', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  t.same(await look(db, checkServers), [])
  const gone = await addServer(db, 'gone')
  await until(async () => (await look(db, checkServers)).length > 0)
  found(t, await look(db, checkServers), ['warning silent-servers'])
  await addRun(db, gone, lane)
  const findings = await look(db, checkServers)
  found(t, findings, ['error silent-servers'])
  t.same(findings[0]?.items, [`gone (incarnation ${gone} on here), runs 1`])

  await tryLock(await connect(), db.t, 'incarnation', await addServer(db, 'b'))
  t.same(await look(db, checkServers), [], 'the other one declares it')
  await db.query({
    text: `update ${db.t.incarnation} set state = 'lost', ended_at = now() where id = $1`,
    values: [gone],
  })
  found(t, await look(db, checkServers), ['error running-without-server'])
})

t.test('live servers with different versions', async t => {
  const { db } = await openRooms(t)
  await publish(db, 'a', 'work', '1')
  await publish(db, 'b', 'work', '2')
  t.same(await look(db, checkVersions), [], 'both have left')
  await addServer(db, 'a')
  await addServer(db, 'b')
  const findings = await look(db, checkVersions)
  found(t, findings, ['note process-versions-differ'])
  t.same(findings[0]?.items, ['work: 1 of a, 2 of b'])
  await db.query({
    text: `update ${db.t.incarnation} set state = 'left', ended_at = clock_timestamp() where node = 'a'`,
  })
  await publish(db, 'a', 'work', '2')
  await addServer(db, 'a')
  await publish(db, 'b', 'work', '2')
  t.same(await look(db, checkVersions), [], 'a has taken the new version')
  await db.query({ text: `update ${db.t.incarnation} set version = '2' where node = 'b'` })
  found(t, await look(db, checkVersions), ['note server-versions-differ'])
})

t.test('tables that nobody cleans, and history that is too old', async t => {
  const { db } = await openRooms(t)
  t.same(await look(db, checkTables), [])
  await db.query({ text: `alter table ${db.t.queue} set (autovacuum_enabled = false)` })
  const findings = await look(db, checkTables)
  found(t, findings, ['warning autovacuum-off'])
  const lane = await addLane(db)
  await addRequests(db, { lane, count: 10_500 })
  await db.query({ text: `alter table ${db.t.queue} set (autovacuum_vacuum_threshold = 1000000)` })
  await db.query({ text: findings[0]?.command ?? '' })
  await db.query({ text: `delete from ${db.t.queue}` })
  await until(async () => (await look(db, checkTables)).length > 0)
  const dead = await look(db, checkTables)
  found(t, dead, ['warning dead-rows'])
  t.match(dead[0]?.what, /^The table queue has about 10500 dead rows and 0 live ones; .* never\.$/)
  await db.query({ text: dead[0]?.command ?? '' })
  await until(async () => (await look(db, checkTables)).length === 0)

  const finish = (days: number): Promise<unknown> =>
    db.query({
      text: `insert into ${db.t.finished} (id, outcome, finished_at) values ($1::integer, 'succeeded', now() - $1::integer * interval '1 day')`,
      values: [days],
    })
  await finish(30)
  t.same(await look(db, checkTables), [])
  await finish(32)
  found(t, await look(db, checkTables), ['warning history-too-old'])
})

t.test('housekeeping that fails', async t => {
  const { db } = await openRooms(t)
  await addServer(db)
  t.same(await look(db, checkHousekeeping), [], 'it may make its schema')
  const schema = `${db.schema}_boss`
  const boss = new PgBoss({
    db: { executeSql: (text, values) => db.query({ text, ...(values && { values }) }) },
    schema,
    supervise: false,
    schedule: false,
  })
  await boss.start()
  t.teardown(() => boss.stop({ graceful: false, close: false }))
  await boss.createQueue('purge')
  t.same(await look(db, checkHousekeeping), [])
  const end = (state: string, hour: number): Promise<unknown> =>
    db.query({
      text: `insert into ${schema}.job (name, state, completed_on, output) values ('purge', $1, '2026-01-01'::timestamptz + $2 * interval '1 h', '{"message": "no space"}')`,
      values: [state, hour],
    })
  await end('completed', 1)
  await end('failed', 2)
  const findings = await look(db, checkHousekeeping)
  found(t, findings, ['warning housekeeping-broken'])
  t.match(findings[0]?.what, /failed \(2026-01-01 .*\): no space\.$/)
  await end('completed', 3)
  t.same(await look(db, checkHousekeeping), [])
})

/** Publishes a process of a node. @returns its lane */
async function publish(db: Database, node: string, name: string, version: string): Promise<number> {
  await db.query({
    text: `insert into ${db.t.node} (id) values ($1) on conflict do nothing`,
    values: [node],
  })
  const process = { name, version, description: null, inputSchema: null, steps: [] }
  const [lane] = await publishProcesses(db, node, [process])
  return lane as number
}

/** Lets all requests have been enqueued so many minutes ago. */
async function age(db: Database, minutes: number): Promise<void> {
  await db.query({
    text: `update ${db.t.request} set enqueued_at = clock_timestamp() - $1 * interval '1 min'`,
    values: [minutes],
  })
}
