import t, { type Test } from 'tap'
import { Batcher, type BatcherOptions } from '../../lib/base/batcher.ts'

class Transient extends Error {}

const fail = () => Promise.reject(new Transient('cut'))

function refuseTwo(items: readonly number[]) {
  if (items.includes(2)) throw new TypeError('two')
  return items.map(item => `answer ${item}`)
}

/** A batcher whose writes the test answers. */
interface Settings extends Partial<
  Pick<BatcherOptions<number, string>, 'largest' | 'atOnce' | 'mostTogether' | 'sizeOf'>
> {}

function openBatcher({ largest = 3, ...settings }: Settings = {}) {
  const writes: number[][] = []
  const answers: ((items: readonly number[]) => readonly string[] | Promise<readonly string[]>)[] =
    []
  const end = new AbortController()
  const batcher = new Batcher<number, string>({
    largest,
    ...settings,
    signal: end.signal,
    isTransient: error => error instanceof Transient,
    write: async items => {
      writes.push([...items])
      const answer = answers.shift()
      return answer ? answer(items) : items.map(item => `answer ${item}`)
    },
  })
  return { batcher, writes, answers, end }
}

t.test('alone an item goes out at once, and gets its own answer', async t => {
  const { batcher, writes } = openBatcher()
  t.equal(await batcher.add(1), 'answer 1')
  t.equal(await batcher.add(2), 'answer 2')
  t.same(writes, [[1], [2]])
})

t.test('what comes during a write goes with the next one, in order and in pieces', async t => {
  const { batcher, writes, answers } = openBatcher()
  const { promise, resolve } = Promise.withResolvers<string[]>()
  answers.push(() => promise)
  const first = batcher.add(0)
  await new Promise(setImmediate)
  const rest = [1, 2, 3, 4, 5].map(item => batcher.add(item))
  resolve(['answer 0'])
  t.same(
    await Promise.all([first, ...rest]),
    [0, 1, 2, 3, 4, 5].map(item => `answer ${item}`),
  )
  t.same(writes, [[0], [1, 2, 3], [4, 5]])
})

t.test('one write takes no more than so much together, and a single item of any size', async t => {
  const { batcher, writes } = openBatcher({ largest: 4, mostTogether: 10, sizeOf: Number })
  await Promise.all([4, 6, 1, 30, 2, 1, 1, 1, 1].map(item => batcher.add(item)))
  t.same(writes, [[4, 6], [1], [30], [2, 1, 1, 1], [1]])
})

t.test('a second write begins beside the first with a full batch only', async t => {
  const { batcher, writes, answers } = openBatcher({ atOnce: 2 })
  const holds = [1, 2].map(() => Promise.withResolvers<readonly string[]>())
  answers.push(...holds.map(hold => () => hold.promise))
  const adding = [batcher.add(1)]
  await new Promise(setImmediate)
  adding.push(batcher.add(2), batcher.add(3))
  await new Promise(setImmediate)
  t.same(writes, [[1]], 'it waits for more')
  adding.push(...[4, 5, 6, 7].map(item => batcher.add(item)))
  await new Promise(setImmediate)
  t.same(writes, [[1], [2, 3, 4]], 'and no third one')
  holds[1]?.resolve(['two', 'three', 'four'])
  await adding[1]
  await new Promise(setImmediate)
  t.same(writes, [[1], [2, 3, 4], [5, 6, 7]])
  adding.push(batcher.add(8))
  await new Promise(setImmediate)
  holds[0]?.resolve(['one'])
  const all = await Promise.all(adding)
  t.same(all.slice(0, 4), ['one', 'two', 'three', 'four'])
  t.same(all.at(-1), 'answer 8')
  t.same(writes.flat(), [1, 2, 3, 4, 5, 6, 7, 8], 'each is written once')
})

t.test('a second write begins beside the first when it has so much together, too', async t => {
  const settings = { atOnce: 2, largest: 100, mostTogether: 10, sizeOf: Number }
  const { batcher, writes, answers } = openBatcher(settings)
  const holds = [1, 2].map(() => Promise.withResolvers<readonly string[]>())
  answers.push(...holds.map(hold => () => hold.promise))
  const adding = [4, 6, 5].map(item => batcher.add(item))
  await new Promise(setImmediate)
  t.same(writes, [[4, 6]])
  adding.push(batcher.add(5), batcher.add(1))
  await new Promise(setImmediate)
  t.same(writes, [
    [4, 6],
    [5, 5],
  ])
  for (const hold of holds) hold.resolve([])
  await Promise.all(adding)
  t.same(writes, [[4, 6], [5, 5], [1]])
})

/** One write beside another one, with what each was told about its turn. */
async function openTwo(t: Test) {
  const end = new AbortController()
  const holds = [1, 2].map(() => Promise.withResolvers<readonly void[]>())
  const turns: (Promise<void> | undefined)[] = []
  const batcher = new Batcher<number, void>({
    largest: 1,
    atOnce: 2,
    signal: end.signal,
    isTransient: error => error instanceof Transient,
    async write(_, turn) {
      turns.push(turn)
      return holds[turns.length - 1]?.promise ?? []
    },
  })
  const adding = [batcher.add(1), batcher.add(2)]
  await new Promise(setImmediate)
  t.equal(turns.length, 2)
  t.equal(turns[0], undefined)
  const [, turn] = turns as [undefined, Promise<void>]
  let isMyTurn = false
  turn.then(
    () => (isMyTurn = true),
    () => undefined,
  )
  return { end, holds, turns, adding, turn, isMyTurn: () => isMyTurn }
}

t.test('a write beside another one is told when that one is over', async t => {
  const { holds, turns, adding, turn, isMyTurn } = await openTwo(t)
  holds[0]?.reject(new Transient('cut'))
  await new Promise(setImmediate)
  t.notOk(isMyTurn(), 'as long as it is repeated')
  await adding[0]
  await turn
  holds[1]?.resolve([])
  await adding[1]
  t.same(turns[2], undefined, 'the repetition of the first waits for nobody')
})

t.test('one that is refused is over, too', async t => {
  const { holds, adding, turn } = await openTwo(t)
  holds[0]?.reject(new TypeError('one'))
  await t.rejects(adding[0] as Promise<void>, { message: 'one' })
  await t.resolves(turn)
  holds[1]?.resolve([])
  await adding[1]
})

t.test('when it ends, the turn of the second never comes', async t => {
  const { end, adding, turn } = await openTwo(t)
  end.abort(new Error('over'))
  await t.rejects(turn, { message: 'over' })
  await Promise.allSettled(adding)
})

t.test('with two writes at once, what one turn adds is written once and none is empty', async t => {
  const { batcher, writes } = openBatcher({ atOnce: 2 })
  const items = Array.from({ length: 10 }, (_, item) => item)
  t.same(
    await Promise.all(items.map(item => batcher.add(item))),
    items.map(item => `answer ${item}`),
  )
  t.same(
    writes.flat().toSorted((a, b) => a - b),
    items,
  )
  t.ok(writes.every(({ length }) => length > 0))
})

t.test('items of one turn go together', async t => {
  const { batcher, writes } = openBatcher()
  await Promise.all([batcher.add(1), batcher.add(2), batcher.add(3)])
  t.same(writes, [[1, 2, 3]])
})

t.test('so do those that are added one after the other, as long as the turn lasts', async t => {
  const { batcher, writes } = openBatcher()
  const first = batcher.add(1)
  for (let tick = 0; tick < 10; tick++) await Promise.resolve()
  await Promise.all([first, batcher.add(2)])
  t.same(writes, [[1, 2]])
})

t.test(
  'a write whose connection failed is repeated, with the same items, before any later one',
  async t => {
    const { batcher, writes, answers } = openBatcher()
    answers.push(fail, fail)
    const first = Promise.all([batcher.add(1), batcher.add(2)])
    await new Promise(setImmediate)
    const later = batcher.add(3)
    t.same(await first, ['answer 1', 'answer 2'])
    await later
    t.same(writes, [[1, 2], [1, 2], [1, 2], [3]])
  },
)

t.test('one item that cannot be written does not take the others with it', async t => {
  const { batcher, writes, answers } = openBatcher()
  answers.push(refuseTwo, refuseTwo, refuseTwo, refuseTwo)
  const all = await Promise.allSettled([1, 2, 3].map(item => batcher.add(item)))
  t.match(all, [
    { value: 'answer 1' },
    { status: 'rejected', reason: new TypeError('two') },
    { value: 'answer 3' },
  ])
  t.same(writes, [[1, 2, 3], [1], [2], [3]])
  t.equal(await batcher.add(4), 'answer 4', 'and it goes on')
})

t.test('when it ends, whatever waits is rejected with the reason', async t => {
  const { batcher, answers, end } = openBatcher({ largest: 1 })
  const { promise: tried, resolve: onTry } = Promise.withResolvers<void>()
  answers.push(() => {
    onTry()
    throw new Transient('cut')
  })
  const waiting = [batcher.add(1), batcher.add(2)].map(added =>
    t.rejects(added, new TypeError('over')),
  )
  await tried
  await new Promise(setImmediate)
  end.abort(new TypeError('over'))
  await Promise.all(waiting)
  await t.rejects(batcher.add(3), new TypeError('over'))
})
