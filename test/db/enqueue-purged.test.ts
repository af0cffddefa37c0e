import t from 'tap'
import type { Test } from 'tap'
import { cancelRequest } from '../../lib/db/cancel.ts'
import { purgeFinished } from '../../lib/db/purge.ts'
import { enqueueBatch } from '../../lib/db/requests.ts'
import { addLane, openRooms, roomsOf } from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

const plain = { process: 'work', input: '{}', priority: 0, runAt: null }

async function openWork(t: Test) {
  const rooms = await openRooms(t)
  const { db, connect } = rooms
  await addLane(db)
  const session = await connect()
  const enqueue = (keys: readonly (string | null)[], input = '{}') =>
    enqueueBatch(
      db,
      keys.map(idempotencyKey => ({ ...plain, input, idempotencyKey })),
      { allowUnknown: false, transaction: undefined },
    )
  /** Does something to `request` whenever an insert is about to take place, or has. */
  const onInsert = async (when: 'before' | 'after', each: 'row' | 'statement', body: string) => {
    await session.query(`
      create function ${db.schema}.meddle() returns trigger language plpgsql as $$ begin ${body} end $$;
      create trigger meddle ${when} insert on ${db.t.request} for each ${each} execute function ${db.schema}.meddle()`)
  }
  return { ...rooms, session, enqueue, onInsert }
}

for (const input of ['{}', '{"other":true}'])
  t.test(`a key whose request is purged on the way is free again, input ${input}`, async t => {
    const { db, session, enqueue, onInsert } = await openWork(t)
    const [old, kept] = await enqueue(['purged', 'kept'], input)
    await cancelRequest(db, old?.id as string)
    await db.query({
      text: `update ${db.t.request} set input = '{}' where idempotency_key = 'kept'`,
    })
    await onInsert('after', 'statement', 'perform pg_advisory_xact_lock_shared(7); return null;')
    await session.query('select pg_advisory_lock(7)')
    const enqueueing = enqueue(['purged', null, 'kept', 'new', 'purged'])
    await untilBlocked(db)
    t.equal(await purgeFinished(db, 0), 1)
    await session.query('select pg_advisory_unlock(7)')

    const answers = await enqueueing
    t.same(
      answers.map(({ created }) => created),
      [true, true, false, true, false],
    )
    t.equal(answers[2]?.id, kept?.id)
    t.equal(answers[4]?.id, answers[0]?.id)
    const { queue } = await roomsOf(db)
    t.same(new Set(queue), new Set(answers.map(({ id }) => id)), 'each answer is a request')
    t.equal(queue?.length, 4)
  })

t.test('a batch that meets keys again and again whose requests are gone is refused', async t => {
  const { db, enqueue, onInsert } = await openWork(t)
  await onInsert('before', 'row', 'return null;')
  await t.rejects(enqueue(['k']), { code: '40001' })
  t.match(await roomsOf(db), { queue: [] })
})
