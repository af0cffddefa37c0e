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

t.test('of two claims at once, the cursor follows the one that is further on', async t => {
  const cursor = new ClaimCursor({ clock: () => 0, longestMs: 1000 })
  const began: (string | undefined)[] = []
  const answers = [1, 2, 3].map(() => Promise.withResolvers<Claimed[]>())
  const claim = (index: number) =>
    cursor.claim(1, after => {
      began[index] = after.get(7)?.id
      return answers[index]?.promise ?? Promise.resolve([])
    })
  const answer = (index: number, id: string) =>
    answers[index]?.resolve([{ id, lane: 7, rank: 0, input: {} }])
  const first = claim(0)
  answer(0, '9')
  await first
  t.ok(cursor.isBehind)
  const both = [claim(1), claim(2)]
  answer(2, '11')
  await both[1]
  answer(1, '10')
  await both[0]
  await claim(3)
  t.same(began, [undefined, '9', '9', '11'])
})

t.test('a claim that began before the others went back does not take them along', async t => {
  const state = { now: 0 }
  const cursor = new ClaimCursor({ clock: () => state.now, longestMs: 1000 })
  const began: (string | undefined)[] = []
  const claim = (answer: Promise<string> | string) =>
    cursor.claim(1, async after => {
      began.push(after.get(7)?.id)
      return [{ id: await answer, lane: 7, rank: 0, input: {} }]
    })
  await claim('9')
  const { promise, resolve } = Promise.withResolvers<string>()
  const late = claim(promise)
  state.now = 1000
  await claim('1')
  resolve('10')
  await late
  await claim('2')
  t.same(began, [undefined, '9', undefined, '1'])
})
