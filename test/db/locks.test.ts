import t from 'tap'
import type { Database } from '../../lib/db/database.ts'
import { isHeld, tryLock } from '../../lib/db/locks.ts'
import { migrate } from '../../lib/db/migrate.ts'
import { openDatabase, openRooms } from '../support/rows.ts'

async function isIncarnationHeld(db: Database, number: string): Promise<boolean> {
  const { rows } = await db.query<{ held: boolean }>({
    text: `select ${isHeld(db.t, 'incarnation', '$1::bigint')} as held`,
    values: [number],
  })
  return rows[0]?.held === true
}

t.test('locks of other tables, installations and programs are not ours', async t => {
  const { db, url, connect } = await openRooms(t)
  const other = openDatabase(t, url, { schema: 'other' })
  await migrate(other)
  const session = await connect()
  await session.query('select pg_advisory_lock(1, 7), pg_advisory_lock(7)')
  t.equal(await tryLock(session, other.t, 'incarnation', '7'), true)
  t.equal(await tryLock(session, db.t, 'node', '7'), true)
  t.equal(await isIncarnationHeld(db, '7'), false)
  t.equal(await tryLock(session, db.t, 'incarnation', '7'), true)
  t.equal(await isIncarnationHeld(db, '7'), true)
})
