import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cancelRequest } from '../../lib/db/cancel.ts'
import { checkDatabase } from '../../lib/db/check-database.ts'
import { claim } from '../../lib/db/claim.ts'
import { finish } from '../../lib/db/finish.ts'
import { declareLost, leave } from '../../lib/db/incarnations.ts'
import { checkMigrated } from '../../lib/db/migrate.ts'
import { listNodes } from '../../lib/db/nodes.ts'
import { promote } from '../../lib/db/promote.ts'
import { enqueueBatch } from '../../lib/db/requests.ts'
import { getRequest, listRequests } from '../../lib/db/status.ts'
import { writeSteps } from '../../lib/db/steps.ts'
import { checkFilter } from '../../lib/query.ts'
import {
  addLane,
  addRequests,
  addServer,
  findSilent,
  openRooms,
  outcomes,
  stepRecord,
  success,
} from '../support/rows.ts'
import { startServer } from '../support/server.ts'

t.test('the way of a request in PostgreSQL 14, the oldest that is supported', async t => {
  const { url } = await startServer(t, 14)
  const { db } = await openRooms(t, { server: url })
  await checkMigrated(db)
  await checkDatabase(db)
  const lane = await addLane(db)
  const server = await addServer(db, 'one')
  const plain = { process: 'work', input: '{"a":1}', priority: 0, runAt: null }
  const [first, again, soon, late, third] = await enqueueBatch(
    db,
    [
      { ...plain, idempotencyKey: 'k' },
      { ...plain, idempotencyKey: 'k' },
      { ...plain, idempotencyKey: null, priority: 5 },
      { ...plain, idempotencyKey: null, runAt: new Date('9999-01-01') },
      { ...plain, idempotencyKey: null },
    ],
    { allowUnknown: false, transaction: undefined },
  )
  t.same(again, { id: first?.id, created: false })
  const called = `select ${db.t.schema}.enqueue('work', '{}', '{"priority": 1}') as id`
  const { rows } = await db.query<{ id: string }>({ text: called })
  t.equal(await cancelRequest(db, rows[0]?.id as string), 'cancelled')
  t.equal(await cancelRequest(db, late?.id as string), 'cancelled')

  await addRequests(db, { lane, dueInSeconds: 3600 })
  t.match(await promote(db), { moved: 0, nextInMs: Number })
  const token = randomUUID()
  const claimed = await claim(db, { incarnation: server, lanes: [lane], limit: 2, token })
  t.same(
    claimed.map(({ id }) => id),
    [soon?.id, first?.id],
  )
  await writeSteps(db, server, [stepRecord(soon?.id as string)])
  t.equal(await cancelRequest(db, soon?.id as string), 'requested')
  t.same(await finish(db, server, [success({ id: soon?.id as string, token })]), [soon?.id])

  t.match(await findSilent(db), [{ id: server, node: 'one' }])
  t.equal(await leave(db, server), false)
  t.same(await declareLost(db, server, 'two'), [first?.id])
  t.match(
    new Map((await outcomes(db)).map(({ id, outcome, reason }) => [id, reason ?? outcome])),
    new Map([
      [first?.id, 'server_lost'],
      [soon?.id, 'succeeded'],
      [late?.id, 'cancelled'],
      [rows[0]?.id, 'cancelled'],
    ]),
  )
  t.match(await getRequest(db, third?.id as string), { state: 'queued', input: { a: 1 } })
  t.equal((await listRequests(db, checkFilter({ node: 'one' }))).length, 2)
  t.match(await listNodes(db), [{ node: 'one', state: 'lost', claimed: 2, failed: 1 }])
})
