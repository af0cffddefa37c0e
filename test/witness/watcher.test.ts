import t from 'tap'
import type { OtherIncarnation } from '../../lib/db/other-incarnations.ts'
import { Watcher } from '../../lib/witness/watcher.ts'

const own = 5000
const one = { id: '1', node: 'one', sessions: 1, lostAfterMs: own, outageGraceMs: 20_000 }
const silent: OtherIncarnation = { ...one, beat: null }
const proved: OtherIncarnation = { ...one, beat: '1' }
const beat = (beat: string): OtherIncarnation => ({ ...one, beat })

/** A watcher that has seen everybody alive in an old era, with a clock that the test moves. */
function openWatcher({ isSettled = true } = {}) {
  const watcher = new Watcher(own)
  const state = { now: 1_000_000 }
  const look = (afterMs: number, ...others: OtherIncarnation[]) => {
    state.now += afterMs
    return watcher.observe(others, state.now, state.now).map(({ id }) => id)
  }
  if (isSettled) look(0)
  return { watcher, state, look }
}

t.test('one that is silent for lostAfter is lost, not sooner', async t => {
  const { look } = openWatcher()
  t.same(look(0, silent), [])
  t.same(look(own - 1, silent), [])
  t.same(look(1, silent), ['1'])
  t.same(look(1, silent), ['1'], 'again, until somebody has declared it')
})

t.test('the first look declares nobody, however long the silence', async t => {
  const { look } = openWatcher()
  t.same(look(10 * own, silent), [])
})

t.test(
  'the silence counts from when its first answer came, to when the last look was sent',
  async t => {
    const { watcher } = openWatcher()
    watcher.observe([silent], 0, 1000)
    t.same(watcher.observe([silent], own + 999, own + 3000), [])
    t.match(watcher.observe([silent], own + 1000, own + 3000), [{ id: '1' }])
  },
)

t.test('one that proves itself in between begins anew, seen or not', async t => {
  const { look } = openWatcher()
  look(0, silent)
  look(own - 1, proved)
  t.same(look(1, silent), [])
  const again = { ...silent, sessions: 2 }
  t.same(look(own - 1, again), [], 'another session proved it between two looks')
  t.same(look(own - 1, again), [])
  t.same(look(1, again), ['1'])
})

t.test('one whose session is there but does not move is as lost as one without', async t => {
  const { look } = openWatcher()
  look(0, beat('1'))
  t.same(look(own - 1, beat('1')), [])
  t.same(look(own, beat('2')), [], 'it has moved')
  t.same(look(own - 1, beat('2')), [])
  t.same(look(1, beat('2')), ['1'])
  t.same(look(0, silent), [], 'its session has ended: it may have moved before that')
  t.same(look(own, silent), ['1'])
})

t.test('a look that fails makes every silence begin anew', async t => {
  const { watcher, look } = openWatcher()
  look(0, silent)
  watcher.forget()
  t.same(look(own, silent), [])
  t.same(look(own, silent), ['1'])
})

t.test('the longer lostAfter of the two counts', async t => {
  const { look } = openWatcher()
  const slow = { ...silent, id: '2', lostAfterMs: 3 * own }
  const fast = { ...silent, id: '3', lostAfterMs: 1 }
  look(0, slow, fast)
  t.same(look(own - 1, slow, fast), [])
  t.same(look(1, slow, fast), ['3'])
  t.same(look(2 * own - 1, slow), [])
  t.same(look(1, slow), ['2'])
})

t.test('whom nobody has seen since the database began anew gets its outage grace', async t => {
  const { watcher, state, look } = openWatcher()
  const back = { ...silent, id: '2' }
  watcher.beginEra(state.now)
  look(0, silent, back)
  look(0, silent, { ...back, beat: '1' })
  look(0, silent, back)
  t.same(look(own, silent, back), ['2'], 'this one came back, and went again')
  t.same(look(one.outageGraceMs - 1, silent), [])
  t.same(look(1, silent), ['1'])
})

t.test('an era that somebody saw long ago needs no grace', async t => {
  const { watcher, state, look } = openWatcher({ isSettled: false })
  watcher.beginEra(state.now - one.outageGraceMs)
  look(0, silent)
  t.same(look(own - 1, silent), [])
  t.same(look(1, silent), ['1'])
})

t.test('it knows when the next look is worth it', async t => {
  const { watcher, state, look } = openWatcher()
  const inMs = (): number => watcher.nextLossAt - state.now
  t.equal(inMs(), Infinity, 'nobody is there')
  look(0, silent, { ...beat('1'), id: '2', lostAfterMs: 2 * own })
  t.equal(inMs(), own)
  look(100, beat('1'), { ...beat('1'), id: '2', lostAfterMs: 2 * own })
  t.equal(inMs(), own, 'it has moved, and the other one takes longer')
  look(own, beat('1'), { ...beat('1'), id: '2', lostAfterMs: 2 * own })
  t.equal(inMs(), own - 100, 'whoever is lost already needs no other look')
  watcher.beginEra(state.now)
  t.equal(inMs(), Infinity)
  look(0, silent)
  t.equal(inMs(), own + one.outageGraceMs, 'nobody has seen it in this era')
})
