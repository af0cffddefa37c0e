import { randomUUID } from 'node:crypto'
import t from 'tap'
import { claim, readBackClaim } from '../../lib/db/claim.ts'
import { finish } from '../../lib/db/finish.ts'
import { migrate } from '../../lib/db/migrate.ts'
import { replicationMode } from '../../lib/db/replication-mode.ts'
import { enqueueBatch } from '../../lib/db/requests.ts'
import { isTransient } from '../../lib/db/translate-error.ts'
import { addLane, addServer, openDatabase, success } from '../support/rows.ts'
import { startReplication, type Replica } from '../support/standby.ts'
import { until } from '../support/until.ts'

const unsure = { code: 'CW_NOT_REPLICATED' }

/** Cancels the one wait for the standby, as an operator may. */
async function cancelWait(primary: Replica): Promise<void> {
  await until(async () => {
    const rows = await primary.ask(
      `select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`,
    )
    return rows.length === 1
  })
}

t.test('what no standby has confirmed is asked for again until one has', async t => {
  const { primary, standby, url } = await startReplication(t)
  const db = openDatabase(t, url)
  await migrate(db)
  t.equal(await replicationMode(db), 'synchronous')
  const lane = await addLane(db)
  const server = await addServer(db)
  const request = {
    process: 'work',
    input: '{}',
    priority: 0,
    runAt: null,
    idempotencyKey: 'once',
  }
  const enqueue = () => enqueueBatch(db, [request], { allowUnknown: false, transaction: undefined })
  /** The work's commit waits in vain, and is cancelled. */
  const interrupt = async (work: Promise<unknown>, name: string): Promise<void> => {
    const failure = work.then(
      () => undefined,
      (error: unknown) => error,
    )
    await cancelWait(primary)
    const error = await failure
    t.match(error, unsure, name)
    t.ok(isTransient(error), `${name} is tried again`)
  }
  await standby.stop('fast')

  await interrupt(enqueue(), 'an enqueue')
  await interrupt(enqueue(), 'its repetition, which finds the request')
  await standby.start()
  const [enqueued] = await enqueue()
  t.match(enqueued, { created: false })
  await standby.stop('fast')

  const token = randomUUID()
  const options = { incarnation: server, lanes: [lane], limit: 1, token }
  await interrupt(claim(db, options), 'a claim')
  await interrupt(readBackClaim(db, server, token), 'the look at what it took')
  await standby.start()
  t.match(await readBackClaim(db, server, token), [{ id: enqueued?.id, lane }])
  await standby.stop('fast')

  const run = success({ id: enqueued?.id ?? '', token })
  await interrupt(finish(db, server, [run]), 'a finish')
  await interrupt(finish(db, server, [run]), 'its repetition, which finds it finished')
  await interrupt(
    db.transaction(client => client.query({ text: `insert into ${db.t.node} (id) values ('x')` })),
    'a transaction',
  )
  await standby.start()
  t.same(await finish(db, server, [run]), [run.id])
})
