import t from 'tap'
import type { ClaimPlace, Claimed } from '../../lib/db/claim.ts'
import { ClaimCursor } from '../../lib/loop/claim-cursor.ts'

function open() {
  const state = { now: 0 }
  const cursor = new ClaimCursor({ clock: () => state.now, longestMs: 1000 })
  let lastId = 0
  /** Claims so many in lane 7, and tells where it began. */
  const claim = async (limit: number, found: number, tookMs = 1) => {
    let began: [number, ClaimPlace][] = []
    const answer = await cursor.claim(limit, async after => {
      began = [...after]
      state.now += tookMs
      return Array.from({ length: found }, (): Claimed => {
        lastId += 1
        return { id: String(lastId), lane: 7, rank: 0, input: {} }
      })
    })
    return { began, mayBeMore: answer.mayBeMore }
  }
  return { state, cursor, claim }
}

t.test(
  'a claim begins behind a full one, and again at the beginning after a short one',
  async t => {
    const { claim } = open()
    t.same(await claim(2, 2), { began: [], mayBeMore: true })
    t.same(await claim(2, 2), { began: [[7, { rank: 0, id: '2' }]], mayBeMore: true })
    t.same(
      await claim(2, 1),
      { began: [[7, { rank: 0, id: '4' }]], mayBeMore: true },
      'there may be some before the cursor',
    )
    t.same(await claim(2, 0), { began: [], mayBeMore: false })
  },
)

t.test('it goes back now and then, and soon when there is something new', async t => {
  const { state, cursor, claim } = open()
  await claim(1, 1)
  state.now += 998
  t.equal((await claim(1, 1)).began.length, 1)
  state.now += 1
  t.equal((await claim(1, 1)).began.length, 0, 'the time is up')
  t.equal((await claim(1, 1)).began.length, 1)
  cursor.rewind()
  state.now += 10
  t.equal((await claim(1, 1)).began.length, 0)
  t.equal((await claim(1, 1)).began.length, 1, 'once')
})

t.test('claims from the beginning that take long are a tenth of the time at the most', async t => {
  const { state, cursor, claim } = open()
  await claim(1, 1, 50)
  cursor.rewind()
  t.equal((await claim(1, 1)).began.length, 1)
  state.now += 400
  t.equal((await claim(1, 1)).began.length, 1)
  state.now += 100
  t.equal((await claim(1, 1)).began.length, 0)
})
