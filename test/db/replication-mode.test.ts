import t from 'tap'
import { replicationMode } from '../../lib/db/replication-mode.ts'
import { openDatabase } from '../support/rows.ts'
import { startReplication } from '../support/standby.ts'
import { until } from '../support/until.ts'

t.test('how the primary replicates', async t => {
  const { primary, standby } = await startReplication(t, { synchronous: false })
  const db = openDatabase(t, primary.url, { connections: 1 })
  t.equal(await replicationMode(db), 'asynchronous')
  await standby.stop('fast')
  await until(async () => (await replicationMode(db)) === 'none')
  await primary.ask(`alter system set synchronous_standby_names = 'gone'`)
  await primary.ask('select pg_reload_conf()')
  await until(async () => (await replicationMode(db)) === 'synchronous')
  await db.query({ text: 'set synchronous_commit = local' })
  t.equal(await replicationMode(db), 'none')
})
