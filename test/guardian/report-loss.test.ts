import { randomUUID } from 'node:crypto'
import t from 'tap'
import { connectionSettingsOf } from '../../lib/db/connection-settings.ts'
import { getRequest } from '../../lib/db/status.ts'
import { readOwnProcess } from '../../lib/guardian/own-process.ts'
import { reportLoss } from '../../lib/guardian/report-loss.ts'
import { addLane, addRun, addServer, openRooms } from '../support/rows.ts'
import { until } from '../support/until.ts'

t.test('a loss is reported when the killing is over, and tells what that left', async t => {
  const { db } = await openRooms(t)
  const incarnation = await addServer(db)
  const { id } = await addRun(db, incarnation, await addLane(db))
  const charge = {
    incarnation,
    schema: db.schema,
    connection: await connectionSettingsOf(db.pool),
    cookie: randomUUID(),
    server: readOwnProcess(),
    running: [id],
    aliveUntil: 0,
  }
  const { promise: killed, resolve } = Promise.withResolvers<number[]>()
  const reporting = reportLoss(charge, killed)
  await until(async () => {
    const text = `select from pg_stat_activity where application_name = 'cluster-worker guardian'`
    return (await db.query({ text })).rowCount === 1
  })
  resolve([12, 34])
  await reporting
  t.match(await getRequest(db, id), {
    reason: 'server_lost',
    error: { message: /not allowed to stop the processes 12, 34/ },
  })
})
