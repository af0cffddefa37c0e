import t from 'tap'
import type { Database } from '../../lib/db/database.ts'
import { takeTurn } from '../../lib/db/settings.ts'
import { openRooms } from '../support/rows.ts'
import { untilBlocked } from '../support/until.ts'

const hour = 3_600_000

async function backdate(db: Database): Promise<void> {
  await db.query({ text: `update ${db.t.setting} set changed_at = now() - interval '61 minutes'` })
}

t.test('of many who ask at once one gets the turn, and the next only when it is time', async t => {
  const { db } = await openRooms(t, { connections: 8 })
  const askAll = async () => {
    const asked = Array.from({ length: 8 }, () => takeTurn(db, 'sweep', hour))
    return (await Promise.all(asked)).filter(Boolean).length
  }
  t.equal(await askAll(), 1)
  t.equal(await askAll(), 0)
  await backdate(db)
  t.equal(await askAll(), 1)
})

t.test('who asks while another takes the turn waits, and does not get it', async t => {
  const { db, connect } = await openRooms(t)
  t.ok(await takeTurn(db, 'sweep', hour))
  await backdate(db)
  const other = await connect()
  await other.query('begin')
  await other.query(`update ${db.t.setting} set changed_at = now() where name = 'sweep'`)
  const asked = takeTurn(db, 'sweep', hour)
  await untilBlocked(db, 1)
  await other.query('commit')
  t.notOk(await asked)
})

t.test('who asks too early waits for nobody, and writes nothing', async t => {
  const { db, connect } = await openRooms(t, { connections: 1 })
  t.ok(await takeTurn(db, 'sweep', hour))
  const other = await connect()
  await other.query('begin')
  await other.query(`update ${db.t.setting} set value = 'true' where name = 'sweep'`)
  t.notOk(await takeTurn(db, 'sweep', hour))
  await other.query('rollback')
  const rowIs = async () =>
    (await db.query({ text: `select ctid, xmin, xmax from ${db.t.setting}` })).rows
  const before = await rowIs()
  t.notOk(await takeTurn(db, 'sweep', hour))
  t.strictSame(await rowIs(), before, 'the row was not even locked')
})
