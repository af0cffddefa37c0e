import t from 'tap'
import { beginIncarnation } from '../../lib/db/incarnations.ts'
import { tryLock } from '../../lib/db/locks.ts'
import { registerNode } from '../../lib/db/node-identity.ts'
import { pulse } from '../../lib/db/pulse.ts'
import { addServer, describeNode, openRooms } from '../support/rows.ts'

t.test('each of the others is seen with the beat of its own session', async t => {
  const { db, connect } = await openRooms(t)
  const me = await addServer(db, 'me')
  const join = async (node: string) => {
    const session = await connect()
    const about = describeNode(node)
    await registerNode(db, about)
    const id = await beginIncarnation(session, db.t, about)
    t.ok(await tryLock(session, db.t, 'incarnation', id))
    let last: number | undefined
    const beat = async (number: number): Promise<void> => {
      const asked = { incarnation: id, lanes: [], isWatching: false, isStandby: false }
      await pulse(session, db.t, { ...asked, beat: number, last })
      last = number
    }
    return { id, session, beat }
  }
  const look = async () => {
    const asked = { incarnation: me, lanes: undefined, isWatching: true, isStandby: false }
    const { others } = await pulse(db, db.t, { ...asked, beat: 0, last: 0 })
    return Object.fromEntries((others ?? []).map(({ node, beat }) => [node, beat]))
  }
  t.strictSame(await look(), {}, 'there is nobody, and it does not see itself')
  const [a, b] = [await join('a'), await join('b')]
  t.strictSame(await look(), { a: '', b: '' }, 'they live, and have no beat yet')
  await a.beat(7)
  await b.beat(7)
  t.strictSame(await look(), { a: '7', b: '7' }, 'both may have the same')
  await a.beat(8)
  t.strictSame(await look(), { a: '8', b: '7' })
  await db.query({ text: `update ${db.t.witness} set sessions = 3 where incarnation = ${b.id}` })
  const { others } = await pulse(db, db.t, {
    incarnation: me,
    lanes: undefined,
    isWatching: true,
    isStandby: false,
    beat: 0,
    last: 0,
  })
  t.strictSame(
    others?.find(({ node }) => node === 'b'),
    { id: b.id, node: 'b', beat: '7', sessions: 3, lostAfterMs: 2000, outageGraceMs: 10_000 },
    'all of it is of one server',
  )
  await db.query({ text: `select pg_terminate_backend($1, 5000)`, values: [pidOf(b.session)] })
  t.strictSame(await look(), { a: '8', b: null }, 'a session that is gone proves nothing')
  await db.query({
    text: `update ${db.t.incarnation} set state = 'left', ended_at = now() where id = ${b.id}`,
  })
  t.strictSame(await look(), { a: '8' })
})

/** The driver knows it since the session began. */
function pidOf(session: object): unknown {
  return 'processID' in session ? session.processID : undefined
}
