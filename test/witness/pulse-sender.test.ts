import t from 'tap'
import type { Test } from 'tap'
import { limitsOf } from '../../lib/witness/limits.ts'
import { PulseSender } from '../../lib/witness/pulse-sender.ts'
import { addServer, openRooms } from '../support/rows.ts'

const lostAfterMs = 5000
const { watchMs } = limitsOf({ lostAfterMs, outageGraceMs: 0 })

/** Sends the pulses of one of so many servers; tells whether each looked at the others. */
async function openSender(t: Test, servers: number) {
  const { db, connect } = await openRooms(t)
  const [incarnation = ''] = await Promise.all(Array.from({ length: servers }, () => addServer(db)))
  const onError = (error: unknown): void => void t.error(error)
  const sender = new PulseSender({
    t: db.t,
    incarnation,
    lanes: [1],
    isStandby: false,
    watchMs,
    onError,
  })
  const session = await connect()
  const looks = async (now: number, on = session, isLossDue = false) => {
    const { isAlive, isQueued, others, crew } = await sender.send(on, now, isLossDue)
    t.match({ isAlive, isQueued }, { isAlive: true, isQueued: false }, 'all else is always asked')
    t.equal(crew === null, others === null)
    if (others) t.equal(others.length, servers - 1)
    return others !== null
  }
  return { looks, connect }
}

t.test(
  'a server looks at the others now and then, and proves that it lives more often',
  async t => {
    const { looks } = await openSender(t, 5)
    t.ok(await looks(0))
    t.notOk(await looks(watchMs - 1))
    t.ok(await looks(watchMs))
  },
)

t.test('a loss that is due, and a new session, are reasons to look at once', async t => {
  const { looks, connect } = await openSender(t, 9)
  t.ok(await looks(0))
  const other = await connect()
  t.ok(await looks(1, other))
  t.notOk(await looks(2, other))
  t.ok(await looks(3, other, true))
  t.notOk(await looks(4, other))
})
